package entra

// remedy is what an operator is told about one AADSTS code.
type remedy struct {
	meaning string
	remedy  string
	retry   bool // it passes by itself
}

// remedies has the codes that Microsoft documents for the flows used here (Microsoft identity platform, "error
// codes"; 700024, 50196 and 700211 to 700213 as seen in the field).
var remedies = func() map[int]remedy {
	table := map[int]remedy{}
	add := func(meaning, what string, codes ...int) {
		for _, c := range codes {
			table[c] = remedy{meaning: meaning, remedy: what}
		}
	}
	wait := func(meaning, what string, codes ...int) {
		for _, c := range codes {
			table[c] = remedy{meaning: meaning, remedy: what, retry: true}
		}
	}
	add("wrong client secret", "put the secret's value there, not its id", 7000215)
	add("the client secret has expired", "make a new secret in App registrations, put it in place and reload", 7000222)
	add("the app is not known in this tenant", "check client_id and tenant_id, and that an administrator has consented to the app", 700016)
	add("the app is disabled or not found in the tenant", "ask the tenant's Entra administrator to enable it", 7000112, 70001)
	add("the tenant does not exist", "check tenant_id and cloud", 90002)
	add("the request went to another cloud than the tenant's", "set cloud", 900382, 900432, 90038)
	add("nobody has consented to the app's permissions", "grant admin consent in the app's API permissions", 65001)
	add("the service is not enabled in the tenant, or the app lacks the API permission", "check the Defender licence and the app's API permissions", 650052, 650056, 650057)
	add("the API is not known in the tenant", "check cloud and endpoint, and that the tenant has a Defender licence", 500011, 50001)
	add("the scope is not valid", "check cloud and endpoint; a scope ends in /.default", 70011, 28002)
	add("a resource was sent to the v2 endpoint", "set token_url to the endpoint that fits the API, or leave it out", 901002)
	add("the tenant must be named", "set tenant_id to the tenant's id instead of common or organizations", 9001023, 50194)
	add("the client assertion is not valid", "upload the certificate to the app, check that it is the right one, and check the clock", 700027, 50012, 50013, 50027, 50048)
	wait("the client assertion is outside its time range", "correct this machine's clock", 700024)
	add("the request held no secret and no assertion", "set client_secret_file or another credential; to sign in without one, allow public client flows in the app's Authentication", 7000218)
	add("the app is a public client, which has no secret", "turn off public client flows for the app, or remove the secret", 700025)
	add("the wrong kind of federated token", "check which issuer the federated credential names", 700229)
	add("no federated credential of the app fits the token", "make its issuer, subject and audience the token's own, letter by letter", 700211, 700212, 700213)
	add("the user is not in the directory", "sign in with a user of this tenant", 50034)
	add("multi-factor authentication or Conditional Access stands in the way", "exempt the app, or use client credentials instead of a refresh token", 50076, 50079, 53003)
	add("the refresh token was revoked or has expired", "sign in again with siembridge login", 50173, 70008, 700082, 70043)
	add("the user did not consent to the app", "sign in as a user who may, or have an administrator grant consent", 65004)
	add("the user is of another tenant", "sign in with a user of this tenant", 50020)
	add("the code for the device has expired", "start the sign-in again", 70020)
	add("the authorization code was used before", "start the sign-in again", 54005)
	add("the redirect URI is not the app's", "add the redirect URI to the app's Authentication: http://localhost under Mobile and desktop applications, or what --redirect names", 50011)
	wait("the app asks too often", "it is asked again later; check that no other program uses the same app in a loop", 50196)
	wait("the tenant is throttled", "it is asked again later", 90055)
	wait("a passing fault of Entra ID", "it is asked again", 90033, 90006, 90024, 50033, 90012, 90090)
	add("a field is missing in the request", "check that tenant_id, client_id and the credential are not empty", 90014, 900144)
	return table
}()
