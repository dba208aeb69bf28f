package operator

import (
	"context"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/storage"
)

// listKeys answers with one page: there are few keys.
func (api *API) listKeys(ctx context.Context, _ *admin.Call, _ admin.Slice) ([]admin.SigningKey, string, error) {
	keys, err := api.signingKeys(ctx)
	return keys, "", err
}

func (api *API) signingKeys(ctx context.Context) ([]admin.SigningKey, error) {
	list, err := api.Keys.List(ctx)
	if err != nil {
		return nil, err
	}
	keys := []admin.SigningKey{}
	for _, k := range list {
		status := "retiring"
		switch {
		case k.Signs:
			status = "signing"
		case k.SignFrom.After(storage.Now()):
			status = "announced"
		}
		keys = append(keys, admin.SigningKey{
			KID: k.KID, Alg: k.Alg, Status: status, CreatedAt: k.CreatedAt, SignFrom: k.SignFrom, RetiresAt: admin.OrNil(k.Expires), Public: k.Public,
		})
	}
	return keys, nil
}

func (api *API) rotateKeys(ctx context.Context, c *admin.Call, in *admin.RotateKeys) (*admin.Page[admin.SigningKey], error) {
	algs := api.Keys.Algs()
	if in.Alg != "" {
		alg := jose.SignatureAlgorithm(in.Alg)
		if !slices.Contains(algs, alg) {
			return nil, admin.Invalid(admin.FieldError{Pointer: "/alg", Detail: "is not in use"})
		}
		algs = []jose.SignatureAlgorithm{alg}
	}
	for _, alg := range algs {
		err := api.Keys.Rotate(ctx, alg, func(kid string) []storage.Write {
			event := audit.Event{Type: audit.KeyRotated, Details: map[string]string{"alg": string(alg), "kid": kid}}
			return api.did(ctx, c, event)
		})
		if err != nil {
			return nil, err
		}
	}
	keys, err := api.signingKeys(ctx)
	return &admin.Page[admin.SigningKey]{Items: keys}, err
}
