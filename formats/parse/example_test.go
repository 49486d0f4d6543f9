package parse_test

import (
	"fmt"

	"github.com/siembridge/siembridge/formats/parse"
)

func ExampleCEF() {
	e, err := parse.CEF(`CEF:0|Microsoft|Defender|1.0|x|a \| b|8|src=192.0.2.1 msg=x \= y request=https://h/?q\=1`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Name, e.Severity, e.Get("src"), e.Get("msg"), e.Get("request"))

	_, err = parse.CEF(`CEF:0|Microsoft|Defender|1.0|x|t|8|request=https://h/?q=1`)
	fmt.Println(err)
	// Output:
	// a | b 8 192.0.2.1 x = y https://h/?q=1
	// column 56: an equals sign in a value is written \= (CEF, Character Encoding)
}

func ExampleLEEF() {
	e, err := parse.LEEF("LEEF:2.0|Microsoft|Defender|1.0|Malware|^|cat=x^src=192.0.2.1^alertTitle=a = b")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.EventID, e.Get("src"), e.Get("alertTitle"))

	_, err = parse.LEEF("LEEF:2.0|Microsoft|Defender|1.0|Malware|cat=x")
	fmt.Println(err)
	// Output:
	// Malware 192.0.2.1 a = b
	// column 46: the header of LEEF 2.0 has 6 fields, each closed by a pipe
}
