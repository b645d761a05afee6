// go-autorest's adal, of the management libraries before azidentity.
package main

import "github.com/Azure/go-autorest/autorest/adal"

func main() { run(newAdal) }

func newAdal(asked request) (client, error) {
	options := &adal.ManagedIdentityOptions{}
	if named := asked.Identity; named != nil && named.Kind == "resource_id" {
		options.IdentityResourceID = named.Value
	} else if named != nil {
		options.ClientID = named.Value
	}
	token, err := adal.NewServicePrincipalTokenFromManagedIdentity(asked.Resource, options)
	return func() (string, error) {
		if err := token.EnsureFresh(); err != nil {
			return "", err
		}
		return token.OAuthToken(), nil
	}, err
}
