import { readFile } from 'node:fs/promises'
import { request } from 'node:https'
import { parseRecord } from '../core/json.ts'
import { ACCOUNT } from './policy.ts'
import { startProgram, type Program, type Running } from './running.ts'
import { StepFailed, until } from './until.ts'

/** The devserver as a process, and what an administrator does at it. */
export interface Conjur {
  readonly running: Running
  readonly url: string
  readonly caFile: string
  readonly adminApiKeyFile: string
  /** How long it took to start. */
  readonly readyMs: number
  /** Sets a variable, as an administrator. */
  setValue(id: string, value: string): Promise<void>
  /** Changes the root policy, as an administrator. */
  changePolicy(text: string): Promise<void>
  /** Answers 503 to everything from now on. */
  goAway(): Promise<void>
  comeBack(): Promise<void>
  /** Counts requests anew. */
  resetCounts(): Promise<void>
  /** How many requests there were since, by what they asked for. */
  counts(): Promise<Counts>
  /** How often a single read of this variable was refused, by the audit records. */
  refusals(id: string): number
}

export interface Counts {
  readonly logins: number
  readonly batches: number
}

/** What to start the devserver with. Times are seconds. */
export interface ConjurOptions {
  readonly program: Program
  readonly policyFile: string
  readonly valuesFile: string
  readonly caFile: string
  readonly tokenLifeSeconds: number
  readonly environment: Readonly<Record<string, string>>
  /** Told of the process as soon as there is one, so that it can be stopped whatever happens. */
  readonly started: (running: Running) => void
  readonly signal: AbortSignal
}

const START_WITHIN_MS = 20_000

/** Starts the devserver; resolves when it answers. */
export async function startConjur(options: ConjurOptions): Promise<Conjur> {
  const { program, policyFile, valuesFile, caFile, tokenLifeSeconds, environment, signal } = options
  const begun = performance.now()
  const running = startProgram(program, {
    name: 'devserver',
    argv: `devserver --audit --account ${ACCOUNT} --token-ttl ${tokenLifeSeconds}s`
      .split(' ')
      .concat(['--policy', policyFile, '--values', valuesFile, '--ca-out', caFile]),
    environment,
  })
  options.started(running)
  const ready = await until({
    step: 'Conjur',
    otherwise: 'the devserver is not ready',
    withinMs: START_WITHIN_MS,
    signal,
    look() {
      if (running.exit() !== undefined) {
        throw new StepFailed('Conjur', 'the devserver ended before it was ready')
      }
      return readyLine(running.stdout)
    },
  })
  const readyMs = performance.now() - begun
  const [ca, adminApiKey] = await Promise.all([
    readFile(caFile, 'utf8'),
    readFile(ready.adminApiKeyFile, 'utf8'),
  ])
  return {
    running,
    ...ready,
    caFile,
    readyMs,
    ...administrator({ url: ready.url, ca, adminApiKey }),
    refusals: (id) => refusedReads(running.stdout, id),
  }
}

function readyLine(lines: readonly string[]): { url: string; adminApiKeyFile: string } | undefined {
  for (const line of lines) {
    const { ready, url, adminApiKeyFile } = parseRecord(line) ?? {}
    if (ready === true && typeof url === 'string' && typeof adminApiKeyFile === 'string') {
      return { url, adminApiKeyFile }
    }
  }
  return undefined
}

function refusedReads(records: readonly string[], id: string): number {
  return records.filter((line) => {
    const { success, resource } = parseRecord(line) ?? {}
    return success === false && resource === `${ACCOUNT}:variable:${id}`
  }).length
}

interface Access {
  readonly url: string
  readonly ca: string
  readonly adminApiKey: string
}

type Administrator = Pick<
  Conjur,
  'setValue' | 'changePolicy' | 'goAway' | 'comeBack' | 'resetCounts' | 'counts'
>

function administrator(access: Access): Administrator {
  const basic = `Basic ${Buffer.from(`admin:${access.adminApiKey}`).toString('base64')}`
  const control = (asked: Omit<Sent, 'authorization'>): Promise<string> =>
    send(access, { ...asked, authorization: basic })
  const asAdmin = async (asked: Omit<Sent, 'authorization'>): Promise<void> => {
    const token = await send(access, {
      method: 'POST',
      path: `/authn/${ACCOUNT}/admin/authenticate`,
      body: access.adminApiKey,
    })
    const authorization = `Token token="${Buffer.from(token).toString('base64')}"`
    await send(access, { ...asked, authorization })
  }
  return {
    setValue: (id, value) =>
      asAdmin({
        method: 'POST',
        path: `/secrets/${ACCOUNT}/variable/${encodeURIComponent(id)}`,
        body: value,
      }),
    changePolicy: (text) =>
      asAdmin({ method: 'PATCH', path: `/policies/${ACCOUNT}/policy/root`, body: text }),
    async goAway() {
      const fault = JSON.stringify({ kind: 'unavailable' })
      await control({ method: 'POST', path: '/devserver/faults', body: fault })
    },
    async comeBack() {
      await control({ method: 'DELETE', path: '/devserver/faults' })
    },
    async resetCounts() {
      await control({ method: 'DELETE', path: '/devserver/requests' })
    },
    async counts() {
      const counted = parseRecord(await control({ method: 'GET', path: '/devserver/requests' }))
      return { logins: numberOf(counted?.['authenticate']), batches: numberOf(counted?.['batch']) }
    },
  }
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

interface Sent {
  readonly method: string
  readonly path: string
  readonly body?: string
  readonly authorization?: string
}

/** Yields the body of the reply; rejects where that is no success, without quoting it. */
async function send(
  { url, ca }: Access,
  { method, path, body, authorization }: Sent,
): Promise<string> {
  const headers = authorization === undefined ? {} : { authorization }
  const { status, text } = await new Promise<{ status: number; text: string }>(
    (resolve, reject) => {
      const asking = request(
        new URL(path, url),
        { method, headers, ca, agent: false, timeout: 10_000 },
        (reply) => {
          const chunks: Buffer[] = []
          reply.on('data', (chunk: Buffer) => chunks.push(chunk))
          reply.on('error', reject)
          reply.on('end', () =>
            resolve({
              status: reply.statusCode ?? 0,
              text: Buffer.concat(chunks).toString('utf8'),
            }),
          )
        },
      )
      asking.on('timeout', () => asking.destroy(new Error('the devserver does not answer')))
      asking.on('error', reject)
      asking.end(body)
    },
  )
  if (status >= 200 && status <= 299) return text
  throw new StepFailed('Conjur', `the devserver answers ${status} to ${method} ${path}`)
}
