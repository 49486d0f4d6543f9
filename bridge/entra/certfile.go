package entra

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

// CertificateFiles name where a certificate and its private key are.
type CertificateFiles struct {
	File         string // PEM or PFX (PKCS #12); with the key, unless KeyFile is set
	KeyFile      string // the key in PEM form; "": in File
	PasswordFile string // of a PFX; "": none
}

// Limits of what is read, and of what may sign.
const (
	maxCredentialFile = 1 << 20 // bytes
	minKeyBits        = 2048    // what Entra ID takes
)

// load reads and pairs certificate and key. Its errors name the file and hold nothing of its contents.
func (f CertificateFiles) load() (*credential, error) {
	data, err := ReadFile(f.File)
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	var key crypto.PrivateKey
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		certificates, key, err = readPEM(f.File, data)
	} else {
		certificates, key, err = f.readPFX(data)
	}
	if err == nil && f.KeyFile != "" {
		if data, err = ReadFile(f.KeyFile); err == nil {
			_, key, err = readPEM(f.KeyFile, data)
		}
	}
	if err != nil {
		return nil, err
	}
	return f.pair(certificates, key)
}

// pair finds the certificate that the key belongs to.
func (f CertificateFiles) pair(certificates []*x509.Certificate, key crypto.PrivateKey) (*credential, error) {
	if len(certificates) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", f.File)
	}
	if key == nil {
		return nil, fmt.Errorf("%s holds no private key; put it into the same file, or name its file in certificate_key_file", f.File)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("its key is not RSA, and Entra ID takes no other")
	}
	if bits := private.N.BitLen(); bits < minKeyBits {
		return nil, fmt.Errorf("its key has %d bits, and Entra ID takes %d or more", bits, minKeyBits)
	}
	for _, c := range certificates {
		if private.PublicKey.Equal(c.PublicKey) {
			return &credential{leaf: c, key: private}, nil
		}
	}
	return nil, errors.New("its private key belongs to another certificate")
}

// readPEM takes certificates and a private key out of a PEM file. Blocks of other kinds are left alone.
func readPEM(path string, data []byte) (certificates []*x509.Certificate, key crypto.PrivateKey, err error) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return certificates, key, nil
		}
		switch {
		case block.Type == "CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, nil, fmt.Errorf("a certificate in %s is damaged: %w", path, err)
			}
			certificates = append(certificates, c)
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, nil, fmt.Errorf("the key in %s has a password, which only a PFX may have; "+
				"openssl pkcs12 -export makes one of it, openssl pkey removes the password", path)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			if key, err = parseKey(block.Bytes); err != nil {
				return nil, nil, fmt.Errorf("the key in %s is damaged or of an unknown kind", path)
			}
		}
	}
}

// parseKey reads PKCS #8, PKCS #1 and SEC 1 keys, whatever their PEM block is called.
func parseKey(der []byte) (crypto.PrivateKey, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return x509.ParseECPrivateKey(der)
}

func (f CertificateFiles) readPFX(data []byte) ([]*x509.Certificate, crypto.PrivateKey, error) {
	password := ""
	if f.PasswordFile != "" {
		text, err := ReadFile(f.PasswordFile)
		if err != nil {
			return nil, nil, err
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	key, leaf, further, err := pkcs12.DecodeChain(data, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && f.PasswordFile == "":
		return nil, nil, fmt.Errorf("%s has a password; put it into a file and name that in certificate_password_file", f.File)
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return nil, nil, fmt.Errorf("the password in %s is not that of %s", f.PasswordFile, f.File)
	case err != nil:
		return nil, nil, fmt.Errorf("%s is neither PEM nor a PFX that can be read: %w", f.File, err)
	}
	return append([]*x509.Certificate{leaf}, further...), key, nil
}

// byteOrderMark is what editors on Windows write before a text in UTF-8. It is no part of a credential.
var byteOrderMark = []byte("\xef\xbb\xbf")

// ReadFile reads a file that holds a credential, at most 1 MiB, without a byte order mark.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxCredentialFile+1))
	if err == nil && len(data) > maxCredentialFile {
		err = fmt.Errorf("%s has more than %d bytes, which is no credential", path, maxCredentialFile)
	}
	return bytes.TrimPrefix(data, byteOrderMark), err
}
