package storage

// toFormat3 converts nothing: it keeps away an authzd that would end tokens without a Revocation.
var toFormat3 = Step{}
