package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"
)

// encryptionFlags choose the encryption of a backup.
type encryptionFlags struct {
	keys       []string
	passphrase passphraseFlags
}

func (f *encryptionFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.keys, "recipient", nil, "encrypt for this age public `key` (age1…); may be repeated")
	f.passphrase.add(cmd, "encrypt with a passphrase, asked for on the terminal", "encrypt with the passphrase in this `file`")
}

// recipients returns nil if nothing is to be encrypted.
func (f *encryptionFlags) recipients(cmd *cobra.Command) ([]age.Recipient, error) {
	passphrase, err := f.passphrase.read(cmd, true)
	if err != nil {
		return nil, err
	}
	if passphrase != "" {
		if len(f.keys) > 0 {
			return nil, usageError{errors.New("both a recipient and a passphrase"), "age encrypts for keys or with one passphrase: choose"}
		}
		r, err := age.NewScryptRecipient(passphrase)
		return []age.Recipient{r}, err
	}
	return parseRecipients(f.keys)
}

// parseRecipients reads age public keys.
func parseRecipients(keys []string) (all []age.Recipient, err error) {
	for _, key := range keys {
		parsed, err := age.ParseRecipients(strings.NewReader(key))
		if err != nil {
			return nil, usageError{fmt.Errorf("recipient %q is not an age public key", key), `it begins with age1; "age-keygen" shows it`}
		}
		all = append(all, parsed...)
	}
	return all, nil
}

// decryptionFlags choose the keys that decrypt a backup.
type decryptionFlags struct {
	files      []string
	passphrase passphraseFlags
}

func (f *decryptionFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.files, "identity", nil, "decrypt with the age private keys in this `file`; may be repeated")
	_ = cmd.MarkFlagFilename("identity")
	f.passphrase.add(cmd, "decrypt with a passphrase, asked for on the terminal", "decrypt with the passphrase in this `file`")
}

func (f *decryptionFlags) identities(cmd *cobra.Command) (all []age.Identity, err error) {
	for _, name := range f.files {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("identity: %w", err)
		}
		parsed, err := age.ParseIdentities(file)
		file.Close()
		if err != nil { // not quoted: it may show the content of the file
			return nil, usageError{fmt.Errorf("%s does not hold age private keys", name), `"age-keygen -o FILE" makes one`}
		}
		all = append(all, parsed...)
	}
	passphrase, err := f.passphrase.read(cmd, false)
	if err != nil || passphrase == "" {
		return all, err
	}
	identity, err := age.NewScryptIdentity(passphrase)
	return append(all, identity), err
}

// passphraseFlags choose the source of a passphrase.
type passphraseFlags struct {
	ask  bool
	file string
}

func (f *passphraseFlags) add(cmd *cobra.Command, ask, file string) {
	cmd.Flags().BoolVar(&f.ask, "passphrase", false, ask)
	cmd.Flags().StringVar(&f.file, "passphrase-file", "", file)
	_ = cmd.MarkFlagFilename("passphrase-file")
	cmd.MarkFlagsMutuallyExclusive("passphrase", "passphrase-file")
}

// read returns the passphrase, or "" if there is none. A new one is asked for twice.
func (f *passphraseFlags) read(cmd *cobra.Command, isNew bool) (string, error) {
	if f.file != "" {
		b, err := os.ReadFile(f.file)
		if err != nil {
			return "", fmt.Errorf("passphrase: %w", err)
		}
		passphrase := strings.TrimRight(string(b), "\r\n")
		if passphrase == "" {
			return "", usageError{fmt.Errorf("the passphrase file %s is empty", f.file), "write the passphrase into its first line"}
		}
		return passphrase, nil
	}
	if !f.ask {
		return "", nil
	}
	p := &prompt{ctx: cmd.Context(), in: os.Stdin, out: cmd.ErrOrStderr()}
	if !onTerminal(p.in) {
		return "", usageError{errors.New("there is no terminal to ask for a passphrase"), "give it by --passphrase-file"}
	}
	passphrase, err := p.secretLine("passphrase")
	if err != nil || !isNew {
		return passphrase, err
	}
	again, err := p.secretLine("the same again")
	if err == nil && again != passphrase {
		err = usageError{errors.New("the two differ"), "nothing was written; try again"}
	}
	return passphrase, err
}

// secretLine asks for one line that is not shown.
func (p *prompt) secretLine(what string) (string, error) {
	fmt.Fprintf(p.out, "%s: ", what)
	line, err := p.line(true)
	if err == nil && line == "" {
		err = usageError{fmt.Errorf("the %s is empty", strings.TrimPrefix(what, "the ")), "think of a long one"}
	}
	return line, err
}
