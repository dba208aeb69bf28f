package config

// PathList is a list of file names that may be written as one name.
type PathList []string
