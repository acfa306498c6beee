// The yardstick: the same requests and writes as an agent's first pass, with nothing checked or promised.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'

const {
  CONJUR_APPLIANCE_URL,
  CONJUR_CERT_FILE,
  JWT_TOKEN_PATH,
  CONJUR_SECRETS_DIRECTORY,
  BENCH_VALUES,
  BENCH_LAYOUT,
} = process.env
const { hostname: host, port } = new URL(CONJUR_APPLIANCE_URL)
const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(CONJUR_CERT_FILE) })

function send(method, path, headers, body) {
  const { promise, resolve, reject } = Promise.withResolvers()
  const sent = request({ host, port, path, method, headers, agent }, (reply) => {
    const chunks = []
    reply.on('data', (chunk) => chunks.push(chunk))
    reply.on('end', () => resolve(Buffer.concat(chunks)))
  })
  sent.on('error', reject)
  sent.end(body)
  return promise
}

const token = await send(
  'POST',
  '/authn-jwt/prod/acme/host%2Fapps%2Fweb/authenticate',
  { 'content-type': 'application/x-www-form-urlencoded' },
  `jwt=${String(readFileSync(JWT_TOKEN_PATH))}`,
)
const authorization = `Token token="${token.toString('base64')}"`
const ids = Array.from(
  { length: Number(BENCH_VALUES) },
  (_, index) => `acme:variable:apps/v${index}`,
)
const values = {}
while (ids.length > 0) {
  const batch = ids.splice(0, 220).map(encodeURIComponent).join(',')
  Object.assign(
    values,
    JSON.parse(await send('GET', `/secrets?variable_ids=${batch}`, { authorization })),
  )
}
mkdirSync(CONJUR_SECRETS_DIRECTORY, { recursive: true })
const write = (name, text) => writeFileSync(`${CONJUR_SECRETS_DIRECTORY}/${name}`, text)
if (BENCH_LAYOUT === 'one file') write('db.json', JSON.stringify(values))
else
  for (const [id, value] of Object.entries(values)) write(id.slice(id.lastIndexOf('/') + 1), value)
process.exit(0)
