package authz

import (
	"cmp"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/proof"
)

// accountEvents are the events about people's accounts that a metric counts, with the details that it tells apart. Sign-ins
// have a metric of their own.
var accountEvents = map[string][]string{
	string(audit.ProofRequested): proofKinds,
	string(audit.ProofFailed):    proofKinds,

	string(audit.UserCreated):        {"sign-up", "invitation"},
	string(audit.UserPasswordSet):    {"password", string(proof.Reset), string(proof.Invite)},
	string(audit.UserDeleted):        nil,
	string(audit.UserDisabled):       nil,
	string(audit.UserExported):       nil,
	string(audit.EmailChanged):       nil,
	string(audit.EmailChangeStopped): nil,
	string(audit.SignUpDeclined):     nil,
	string(audit.PasswordEnded):      nil,
	string(audit.IdentityLinked):     nil,
	string(audit.IdentityUnlinked):   nil,

	string(audit.FactorAdded):   factorNames,
	string(audit.FactorRemoved): factorNames,
	string(audit.FactorUsed):    factorNames,
	string(audit.FactorLocked):  factorNames,
	string(audit.FactorsReset):  nil,

	string(audit.DevicesForgotten): nil,

	string(audit.PasskeyAdded):   nil,
	string(audit.PasskeyRemoved): nil,
	string(audit.PasskeyCopied):  nil,
}

var (
	proofKinds  = []string{string(proof.SignUp), string(proof.Reset), string(proof.Invite), string(proof.Email), string(proof.Stop)}
	factorNames = []string{factor.NameTOTP, factor.NameRecovery}
)

// countSealed counts an event about an account. Its detail is how it came about, or what it is about.
func (s *Server) countSealed(e audit.Event) {
	s.observer.CountAccountEvent(string(e.Type), cmp.Or(e.Details["by"], e.Details["kind"], e.Details["factor"]))
}
