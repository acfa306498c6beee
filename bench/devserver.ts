import { spawn, type ChildProcess } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { median, onOneCore, type Row } from './runner.ts'

const directory = mkdtempSync(join(tmpdir(), 'conjur-bench-'))
const adminKey = 'benchkey'
const variables = 100_000
const workers = 8
const spanMs = 5_000

interface Server {
  readonly child: ChildProcess
  readonly url: string
  readonly ca: string
  readonly startMs: number
}

/** Start, memory, reads and logins of the devserver, as the built program, on one core. */
export async function devserver(): Promise<readonly Row[]> {
  try {
    return [...(await startAndMemory()), ...(await rates())]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function startAndMemory(): Promise<readonly Row[]> {
  const small = file('small.yml', '- !host web\n- !variable v\n')
  const starts: number[] = []
  for (let each = 0; each < 7; each++) {
    const server = await start(['--policy', small])
    starts.push(server.startMs)
    await stop(server)
  }
  const list = Array.from(
    { length: variables },
    (_, index) => `    - !variable db-${index}/password`,
  )
  const large = file(
    'large.yml',
    `- !policy\n  id: apps\n  body:\n  - !group readers\n  - &values\n${list.join('\n')}\n  - !permit { role: !group readers, privileges: [ read, execute ], resources: *values }\n`,
  )
  const server = await start(['--policy', large])
  const authorization = await logIn(server)
  const get = { authorization }
  await ask(server, {
    path: `/secrets/dev/variable/apps%2Fdb-${variables - 1}%2Fpassword`,
    headers: get,
  })
  const memory = status(server, 'VmRSS')
  const peak = status(server, 'VmHWM')
  await stop(server)
  return [
    { what: 'exec → ready', measured: Math.round(median(starts)), unit: 'ms', atMost: 500 },
    {
      what: `exec → ready, ${variables} variables`,
      measured: Math.round(server.startMs),
      unit: 'ms',
    },
    { what: `resident with ${variables} variables`, measured: memory, unit: 'MiB', atMost: 100 },
    { what: 'its peak, while the policy is read', measured: peak, unit: 'MiB' },
  ]
}

async function rates(): Promise<readonly Row[]> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k' }
  const policy = file(
    'rates.yml',
    `
- !policy
  id: conjur/authn-jwt/prod
  body:
  - !webservice
  - !variable public-keys
  - !variable issuer
  - !group clients
  - !permit { role: !group clients, privilege: authenticate, resource: !webservice }
- !host { id: web, annotations: { authn-jwt/prod/sub: web } }
- !variable v
- !permit { role: !host web, privileges: [ read, execute ], resource: !variable v }
- !grant { role: !group conjur/authn-jwt/prod/clients, member: !host web }
`,
  )
  const values = file(
    'values.json',
    JSON.stringify({
      v: 'x',
      'conjur/authn-jwt/prod/issuer': 'https://idp',
      'conjur/authn-jwt/prod/public-keys': JSON.stringify({ type: 'jwks', value: { keys: [jwk] } }),
    }),
  )
  const server = await start(['--policy', policy, '--values', values, '--log', '/dev/null'])
  const now = Math.floor(Date.now() / 1000)
  const body = `${encode({ alg: 'RS256', kid: 'k' })}.${encode({ iss: 'https://idp', sub: 'web', iat: now, exp: now + 3600 })}`
  const jwt = `jwt=${body}.${sign('sha256', Buffer.from(body), privateKey).toString('base64url')}`
  const authorization = await logIn(server)
  const reads = await perSecond(server, {
    path: '/secrets/dev/variable/v',
    headers: { authorization },
  })
  const logins = await perSecond(server, {
    method: 'POST',
    path: '/authn-jwt/prod/dev/host%2Fweb/authenticate',
    headers: { 'accept-encoding': 'base64' },
    body: jwt,
  })
  await stop(server)
  return [
    { what: 'single reads over TLS, one core', measured: reads, unit: '/s', atLeast: 2000 },
    { what: 'JWT logins over TLS, one core', measured: logins, unit: '/s', atLeast: 300 },
  ]
}

interface Ask {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

async function perSecond(server: Server, asked: Ask): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: workers, ca: server.ca })
  await Promise.all(Array.from({ length: workers }, () => ask(server, asked, agent)))
  const end = performance.now() + spanMs
  let done = 0
  const work = async (): Promise<void> => {
    while (performance.now() < end) {
      await ask(server, asked, agent)
      done += 1
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  agent.destroy()
  return Math.round((done * 1000) / spanMs)
}

function ask(
  server: Server,
  { method = 'GET', path, headers = {}, body }: Ask,
  agent?: Agent,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      method,
      headers: { ...headers },
      ca: server.ca,
      ...(agent === undefined ? {} : { agent }),
    }
    const sent = request(server.url + path, options, (reply) => {
      let text = ''
      reply.setEncoding('utf8')
      reply.on('data', (chunk: string) => (text += chunk))
      reply.on('end', () => {
        if ((reply.statusCode ?? 0) < 500 && reply.statusCode !== 401) resolve(text)
        else reject(new Error(`${method} ${path} is answered ${reply.statusCode}`))
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function logIn(server: Server): Promise<string> {
  const headers = { 'accept-encoding': 'base64' }
  const token = await ask(server, {
    method: 'POST',
    path: '/authn/dev/admin/authenticate',
    headers,
    body: adminKey,
  })
  return `Token token="${token}"`
}

async function start(flags: readonly string[]): Promise<Server> {
  const [program, ...words] = [...onOneCore(), process.execPath]
  const ca = join(directory, 'ca.pem')
  const startedAt = performance.now()
  const child = spawn(
    program,
    [...words, 'dist/main.js', 'devserver', '--admin-api-key', adminKey, '--ca-out', ca, ...flags],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  if (child.stdout === null) throw new Error('the devserver has no stdout')
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const ready: { url: string } = JSON.parse(String(line))
  return {
    child,
    url: ready.url,
    ca: readFileSync(ca, 'utf8'),
    startMs: performance.now() - startedAt,
  }
}

async function stop({ child }: Server): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

/** A line of /proc in MiB; taskset replaces itself, so the child is the server. */
function status({ child }: Server, name: string): number {
  const text = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1]) / 102.4) / 10
}

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
