import { startDevserver } from '../src/devserver/server.ts'
import { serviceAccountClaims, tokenMaker } from '../test/support/token-maker.ts'

/**
 * A devserver in a process of its own, so that its work is not counted with ours: it tells its parent
 * where it is, and after that, whenever asked, how many requests it answered. It can be told to answer
 * nothing for a while.
 */

const count = Number(process.argv[2] ?? 1)
const bytes = Number(process.argv[3] ?? 0)
const tokenTtlSeconds = Number(process.argv[4] ?? 480)
const issuer = await tokenMaker({ issuer: 'https://kubernetes.example', now: () => Date.now() })
const ids = Array.from({ length: count }, (_, index) => `v${index}`)
const conjur = await startDevserver({
  account: 'acme',
  tokenTtlSeconds,
  policy: `
- !policy
  id: conjur/authn-jwt/prod
  body:
    - !webservice
    - !variable public-keys
    - !variable issuer
    - !variable audience
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: apps
  body:
    - !host { id: web, annotations: { authn-jwt/prod/kubernetes.io/namespace: shop } }
    - &values
${ids.map((id) => `      - !variable ${id}`).join('\n')}
    - !permit { role: !host web, privileges: [ read, execute ], resource: *values }
- !grant { role: !group conjur/authn-jwt/prod/apps, members: [ !host apps/web ] }
`,
  values: {
    'conjur/authn-jwt/prod/public-keys': JSON.stringify({ type: 'jwks', value: issuer.jwks }),
    'conjur/authn-jwt/prod/issuer': issuer.issuer,
    'conjur/authn-jwt/prod/audience': 'conjur',
    ...Object.fromEntries(
      ids.map((id) => [`apps/${id}`, `value-of-${id}-0123456789abcdef`.padEnd(bytes, 'x')]),
    ),
  },
})
const jwt = await issuer.make(serviceAccountClaims({}))
process.send?.({ url: conjur.url, ca: conjur.ca, jwt })
process.on('message', (what) => {
  if (what === 'go away') conjur.faults.add({ kind: 'outage' })
  else if (what === 'come back') conjur.faults.clear()
  else process.send?.({ requests: Object.fromEntries(conjur.requests) })
})
process.on('disconnect', () => process.exit(0))
