package flexconnector

// FunctionNames lists the functions that parser files may call.
func FunctionNames() []string {
	var names []string
	for name := range functions {
		names = append(names, name)
	}
	return names
}
