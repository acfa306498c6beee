// Works a Conjur with its official Go client and prints what it sees, as one JSON document.
package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"

	"github.com/cyberark/conjur-api-go/conjurapi"
	"github.com/cyberark/conjur-api-go/conjurapi/authn"
	"github.com/cyberark/conjur-api-go/conjurapi/response"
)

type issued struct {
	Issuer string          `json:"issuer"`
	Keys   json.RawMessage `json:"keys"`
	Token  string          `json:"token"`
}

func main() {
	url, account, ca, adminKey, policyFile, patchFile := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]
	var jwt issued
	must(json.Unmarshal([]byte(os.Args[7]), &jwt))
	config := conjurapi.Config{ApplianceURL: url, Account: account, SSLCertPath: ca, CredentialStorage: conjurapi.CredentialStorageNone}
	admin, err := conjurapi.NewClientFromKey(config, authn.LoginPair{Login: "admin", APIKey: adminKey})
	must(err)

	policy, err := os.Open(policyFile)
	must(err)
	loaded, err := admin.LoadPolicy(conjurapi.PolicyModePost, "root", policy)
	must(err)
	created := []string{}
	for id := range loaded.CreatedRoles {
		created = append(created, id)
	}
	sort.Strings(created)
	must(admin.AddSecret("app/password", "p@ss & <word>"))
	must(admin.AddSecret("app/unicode", "grüße 🔑"))
	must(admin.AddSecret("app/binary", string([]byte{0, 1, 255})))
	must(admin.AddSecret("conjur/authn-jwt/prod/issuer", jwt.Issuer))
	must(admin.AddSecret("conjur/authn-jwt/prod/public-keys", string(jwt.Keys)))
	must(admin.AddSecret("conjur/authn-jwt/prod/token-app-property", "kubernetes.io/serviceaccount/name"))
	must(admin.AddSecret("conjur/authn-jwt/prod/identity-path", "app"))
	must(admin.EnableAuthenticator("jwt", "prod", true))
	binary, err := admin.RetrieveBatchSecretsSafe([]string{"app/binary"})
	must(err)

	byJwt := config
	byJwt.AuthnType, byJwt.ServiceID, byJwt.JWTContent = "jwt", "prod", jwt.Token
	host, err := conjurapi.NewClientFromJwt(byJwt)
	must(err)
	who, err := host.WhoAmI()
	must(err)
	var me struct {
		Username string `json:"username"`
	}
	must(json.Unmarshal(who, &me))
	batch, err := host.RetrieveBatchSecrets([]string{"app/password", "app/unicode"})
	must(err)
	values := map[string]string{}
	for id, value := range batch {
		values[id] = string(value)
	}
	single, err := host.RetrieveSecret("app/password")
	must(err)
	_, forbidden := host.RetrieveSecret("app/binary")
	may, err := host.CheckPermission("acme:variable:app/password", "execute")
	must(err)
	resources, err := host.Resources(&conjurapi.ResourceFilter{Kind: "variable"})
	must(err)
	patch, err := os.Open(patchFile)
	must(err)
	_, err = admin.LoadPolicy(conjurapi.PolicyModePatch, "root", patch)
	must(err)
	_, afterPatch := host.RetrieveBatchSecrets([]string{"app/password"})

	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"created":    created,
		"who":        me.Username,
		"batch":      values,
		"safe":       base64.StdEncoding.EncodeToString(first(binary)),
		"single":     string(single),
		"forbidden":  statusOf(forbidden),
		"may":        may,
		"resources":  len(resources),
		"afterPatch": statusOf(afterPatch),
	}))
}

func first(values map[string][]byte) []byte {
	for _, value := range values {
		return value
	}
	return nil
}

func statusOf(err error) int {
	var refused *response.ConjurError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return 0
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
