import { randomBytes } from 'node:crypto'
import type { SimulatedAzure } from './azure.ts'
import { SUBSCRIPTION, VM_OBJECT } from './azure.ts'
import type { SimulatedKubernetes } from './kubernetes.ts'

export const ACCOUNT = 'acme'
/** What a projected token must be meant for. */
export const AUDIENCE = 'conjur'

export const HOST = 'host/apps/web'
export const VM_HOST = 'host/apps/vm-web'
export const POD_HOST = 'host/apps/aks-web'

/** What the policy declares, as the screen counts it. */
export const DECLARES = '3 hosts, 3 variables'

/** The policy that the devserver is started with. */
export const POLICY = `# Two authenticators, three hosts that may log in through them, three variables.
- !policy
  id: conjur/authn-jwt/demo
  body:
    - !webservice
    - !variable jwks-uri
    - !variable issuer
    - !variable audience
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }

- !policy
  id: conjur/authn-azure/demo
  body:
    - !webservice
    - !variable provider-uri
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }

- !policy
  id: apps
  body:
    - !host
      id: web
      annotations:
        authn-jwt/demo/kubernetes.io/namespace: shop
        authn-jwt/demo/kubernetes.io/serviceaccount/name: web
    - !host
      id: vm-web
      annotations:
        authn-azure/subscription-id: ${SUBSCRIPTION}
        authn-azure/resource-group: rg-shop
        authn-azure/system-assigned-identity: ${VM_OBJECT}
    - !host
      id: aks-web
      annotations:
        authn-azure/subscription-id: ${SUBSCRIPTION}
        authn-azure/resource-group: rg-shop
        authn-azure/user-assigned-identity: id-web
    - &values
      - !variable web/api-key
      - !variable web/db-user
      - !variable web/db-password
    - !permit { role: !host web, privileges: [ read, execute ], resource: *values }
    - !permit { role: !host vm-web, privileges: [ read, execute ], resource: *values }
    - !permit { role: !host aks-web, privileges: [ read, execute ], resource: *values }

- !grant { role: !group conjur/authn-jwt/demo/apps, member: !host apps/web }
- !grant { role: !group conjur/authn-azure/demo/apps, members: [ !host apps/vm-web, !host apps/aks-web ] }
`

/** Takes api-key away from the first host. */
export const REVOKE_API_KEY = `- !deny
  role: !host apps/web
  privileges: [ read, execute ]
  resource: !variable apps/web/api-key
`

/** The values that an application is after. */
export interface Values {
  readonly apiKey: string
  readonly user: string
  readonly password: string
}

export function someValues(): Values {
  return { apiKey: someValue(), user: 'web', password: someValue() }
}

/** A value like any other, with a beginning to search outputs for: none may show it. */
export function someValue(): string {
  return `demo-value-${randomBytes(16).toString('base64url').slice(1)}`
}

/** What the devserver's variables hold, as its values file. */
export function valuesFile(
  { apiKey, user, password }: Values,
  { kubernetes, azure }: { kubernetes: SimulatedKubernetes; azure: SimulatedAzure },
): string {
  return JSON.stringify({
    'conjur/authn-jwt/demo/jwks-uri': kubernetes.jwksUri,
    'conjur/authn-jwt/demo/issuer': kubernetes.url,
    'conjur/authn-jwt/demo/audience': AUDIENCE,
    'conjur/authn-azure/demo/provider-uri': azure.issuer,
    'apps/web/api-key': apiKey,
    'apps/web/db-user': user,
    'apps/web/db-password': password,
  })
}
