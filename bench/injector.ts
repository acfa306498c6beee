import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testCa } from '../test/support/certificate.ts'
import { EXECUTABLE, MAIN } from './program.ts'
import { onOneCore, type Row } from './runner.ts'
import { memory } from './rest.ts'

const WORKERS = 8
const REVIEWS = 20_000
/** Reviews after which the memory is looked at; a leak of 100 bytes a review would be 5 MiB from the second to the last. */
const LOOKS = [25_000, 50_000, 100_000]
const GROWTH_MIB = 8

/**
 * How fast the injector answers reviews of 20 KiB pods over kept TLS connections, on one core; beside
 * it a bare server that reads them and answers as much.
 */
export async function injector(): Promise<readonly Row[]> {
  const bare = await answering([process.execPath, join(import.meta.dirname, 'bare-webhook.mjs')])
  const underNode = await answering([process.execPath, MAIN])
  const executable = existsSync(EXECUTABLE) ? await answering([EXECUTABLE]) : []
  return [
    ...beside(bare, underNode),
    ...beside(bare, executable).map((row) => ({ ...row, what: `executable: ${row.what}` })),
  ]
}

/** Each figure with the same of the bare server. */
function beside(bare: readonly Row[], rows: readonly Row[]): readonly Row[] {
  return rows.map((row, index) => {
    const yardstick = bare[index]?.measured ?? Number.NaN
    const isDifference = row.what.startsWith('growth')
    const ratio = isDifference ? '' : `, ${(row.measured / yardstick).toFixed(2)} ×`
    return { ...row, what: `${row.what} (bare ${yardstick}${ratio})` }
  })
}

async function answering(program: readonly string[]): Promise<readonly Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'injector-bench-'))
  const ca = await testCa()
  const { cert, key } = await ca.issue()
  const [certFile, keyFile] = [join(directory, 'tls.crt'), join(directory, 'tls.key')]
  writeFileSync(certFile, cert)
  writeFileSync(keyFile, key)
  const from = performance.now()
  const [file, ...argv] = [
    ...onOneCore(),
    ...program,
    'injector',
    '--listen=127.0.0.1:0',
    '--status-listen=127.0.0.1:0',
    `--tls-cert=${certFile}`,
    `--tls-key=${keyFile}`,
    '--image=example.com/conjur-agent:1',
  ]
  const child = spawn(file, argv, {
    env: {
      PATH: process.env['PATH'] ?? '',
      CONJUR_APPLIANCE_URL: 'https://conjur.example.com',
      CONJUR_ACCOUNT: 'acme',
      CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
      MY_POD_NAMESPACE: 'conjur-agent',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  let port: string | undefined
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (log += port === undefined ? text : ''))
  }
  try {
    while (port === undefined) {
      await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data')])
      port = /"listen":"127\.0\.0\.1:(\d+)"/.exec(log)?.[1]
    }
    const startMs = performance.now() - from
    const agent = new Agent({ keepAlive: true, maxSockets: WORKERS, ca: ca.cert })
    const ask = (): Promise<number> => review(agent, Number(port))
    for (let each = 0; each < 2000; each++) await ask()
    const times: number[] = []
    const begin = performance.now()
    const work = async (): Promise<void> => {
      while (times.length < REVIEWS) times.push(await ask())
    }
    await Promise.all(Array.from({ length: WORKERS }, () => work()))
    const seconds = (performance.now() - begin) / 1000
    const resident: number[] = []
    let done = 2000 + times.length
    const go = async (until: number): Promise<void> => {
      while (done < until) {
        done++
        await ask()
      }
    }
    for (const look of LOOKS) {
      await Promise.all(Array.from({ length: WORKERS }, () => go(look)))
      resident.push(Math.round(memory(child).rss))
    }
    agent.destroy()
    const sorted = times.toSorted((a, b) => a - b)
    const at = (share: number): number =>
      Number((sorted[Math.floor(times.length * share)] ?? 0).toFixed(1))
    return [
      { what: 'exec → reviews served', measured: Math.round(startMs), unit: 'ms', atMost: 500 },
      {
        what: 'reviews of 20 KiB pods, one core',
        measured: Math.round(times.length / seconds),
        unit: '/s',
        atLeast: 1000,
      },
      { what: 'median', measured: at(0.5), unit: 'ms' },
      { what: '99 of 100 within', measured: at(0.99), unit: 'ms', atMost: 25 },
      ...LOOKS.map((look, index) => ({
        what: `resident after ${look} reviews`,
        measured: resident[index] ?? 0,
        unit: 'MiB',
      })),
      {
        what: `growth from ${LOOKS[1]} to ${LOOKS[2]}`,
        measured: (resident[2] ?? 0) - (resident[1] ?? 0),
        unit: 'MiB',
        atMost: GROWTH_MIB,
      },
    ]
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
    rmSync(directory, { recursive: true, force: true })
  }
}

const BODY = JSON.stringify({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: '7b5cbbf3-0000-4000-8000-000000000001',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    operation: 'CREATE',
    namespace: 'shop',
    userInfo: { username: 'system:serviceaccount:kube-system:replicaset-controller' },
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        generateName: 'web-',
        annotations: {
          'conjur.org/inject': 'true',
          'conjur.org/authn-identity': 'host/apps/web',
          'conjur.org/conjur-secrets.db': '- db: apps/db-password\n',
        },
      },
      spec: {
        containers: [
          {
            name: 'web',
            image: 'example.com/web:1',
            env: Array.from({ length: 380 }, (_, index) => ({
              name: `SETTING_${index}`,
              value: `value ${index} of twenty`,
            })),
          },
        ],
      },
    },
  },
})

async function review(agent: Agent, port: number): Promise<number> {
  const from = performance.now()
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const sent = request(
    {
      agent,
      host: '127.0.0.1',
      port,
      path: '/mutate',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    },
    (reply) => {
      let size = 0
      reply.on('data', (chunk: Buffer) => (size += chunk.length))
      reply.on('end', () => {
        // An answer without a patch is no work done.
        if (reply.statusCode === 200 && size > 1000) resolve(performance.now() - from)
        else reject(new Error(`the injector answers ${reply.statusCode ?? 0} with ${size} bytes`))
      })
    },
  )
  sent.on('error', reject)
  sent.end(BODY)
  return promise
}
