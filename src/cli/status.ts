import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { OutputError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import { isRecord, parseRecord } from '../core/json.ts'
import { OVERDUE_MS } from '../core/overdue.ts'
import { columns, span } from '../core/layout.ts'
import { symbolsFor, type Symbols } from '../core/terminal.ts'

const EXIT_NOT_FRESH = 8

/** `status` and `healthcheck`: what the status document says, and nothing else is asked. A signal ends what watches. */
export async function status(
  { command, flags, environment }: Invocation,
  onSignal: (end: () => void) => void,
): Promise<number> {
  const named = flags['status-directory'] ?? environment['CONJUR_STATUS_DIRECTORY']
  const file = join(
    typeof named === 'string' && named !== '' ? named : '/conjur/status',
    'agent.json',
  )
  if (command === 'healthcheck') return health(file, { isLive: flags['live'] === true })
  const symbols = symbolsFor(environment)
  const shown = (): { text: string; fresh: boolean } => {
    const text = read(file)
    const view = viewOf(text, file)
    const now = Date.now()
    return {
      text: flags['json'] === true ? text : `${table(view, { symbols, now })}\n`,
      fresh: isFresh(view, now),
    }
  }
  if (flags['watch'] === true) return watchStatus(() => shown().text, onSignal)
  const { text, fresh } = shown()
  process.stdout.write(text)
  return fresh ? 0 : EXIT_NOT_FRESH
}

/** Goes on where the document is not there yet, or no more: an agent may start at any time. */
async function watchStatus(text: () => string, onEnd: (end: () => void) => void): Promise<number> {
  const { watch } = await import('./watch.ts')
  const { stdin, stdout } = process
  await watch({
    text() {
      try {
        return text()
      } catch (error) {
        if (!(error instanceof OutputError)) throw error
        return `${error.message}\nhint: ${error.hint}\n`
      }
    },
    stdin,
    stdout,
    onEnd,
  })
  return 0
}

function health(file: string, { isLive }: { isLive: boolean }): number {
  let why: string | undefined
  try {
    const view = viewOf(read(file), file)
    const now = Date.now()
    const overdueMs = view.nextPassAt === undefined ? 0 : now - view.nextPassAt
    if (isLive) {
      if (overdueMs > OVERDUE_MS) why = `the next pass is ${span(overdueMs)} overdue`
    } else if (!view.ready) why = view.reasons.join('; ')
    else why = overdue(view, now)
  } catch (error) {
    why = error instanceof Error ? error.message : 'unknown'
  }
  if (why === undefined) return 0
  process.stderr.write(`${why}\n`)
  return 1
}

/** What has gone by since the document was written. */
function overdue({ expiresAt, outputs }: View, now: number): string | undefined {
  if (expiresAt !== undefined && expiresAt <= now) return 'the access token is expired'
  const stale = outputs.find(({ staleAt }) => staleAt !== undefined && staleAt <= now)
  return stale === undefined ? undefined : `${stale.name} is older than it may be`
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new OutputError('OUTPUT_UNWRITABLE', `there is no status document ${file}`, {
      hint: `mount a volume at ${join(file, '..')}, or name its directory in CONJUR_STATUS_DIRECTORY`,
      cause,
    })
  }
}

/** The document as the table needs it; instants are epoch milliseconds. */
interface View {
  readonly mode: string
  readonly ready: boolean
  readonly reasons: readonly string[]
  readonly startedAt: number
  readonly nextPassAt: number | undefined
  readonly expiresAt: number | undefined
  readonly renewsAt: number | undefined
  readonly outputs: readonly Row[]
  readonly lastError: string | undefined
}

interface Row {
  readonly name: string
  readonly kind: string
  readonly values: number
  readonly state: string
  readonly changedAt: number | undefined
  readonly checkedAt: number | undefined
  readonly nextAt: number | undefined
  readonly staleAt: number | undefined
  readonly error: string | undefined
}

/** What a status document says; whatever else the text is, an OutputError. */
export function viewOf(text: string, file: string): View {
  const document = parseRecord(text)
  if (document === undefined || document['schema'] !== 'conjur-agent/status/v1') {
    throw new OutputError('OUTPUT_UNWRITABLE', `${file} is no status document of this version`, {
      hint: `cat ${file} shows what it holds; the agent writes it anew after its next pass`,
    })
  }
  const token = isRecord(document['accessToken']) ? document['accessToken'] : {}
  const outputs: readonly unknown[] = Array.isArray(document['outputs']) ? document['outputs'] : []
  return {
    mode: textOf(document['mode']),
    ready: document['ready'] === true,
    reasons: Array.isArray(document['reasons'])
      ? document['reasons'].map((reason) => textOf(reason))
      : [],
    startedAt: instantOf(document['startedAt']) ?? 0,
    nextPassAt: instantOf(document['nextPassAt']),
    expiresAt: instantOf(token['expiresAt']),
    renewsAt: instantOf(token['renewsAt']),
    outputs: outputs.filter((output) => isRecord(output)).map((output) => rowOf(output)),
    lastError: failureOf(document['lastError']),
  }
}

function rowOf(output: Record<string, unknown>): Row {
  return {
    name: textOf(output['name']),
    kind: textOf(output['kind']),
    values: typeof output['values'] === 'number' ? output['values'] : 0,
    state: textOf(output['state']),
    changedAt: instantOf(output['changedAt']),
    checkedAt: instantOf(output['checkedAt']),
    nextAt: instantOf(output['nextAt']),
    staleAt: instantOf(output['staleAt']),
    error: failureOf(output['error']),
  }
}

function isFresh(view: View, now: number): boolean {
  const all = view.outputs.every(({ state }) => state === 'fresh' || state === 'removed')
  return view.ready && all && overdue(view, now) === undefined
}

function table(view: View, { symbols, now }: { symbols: Symbols; now: number }): string {
  const fresh = isFresh(view, now)
  const left = (at: number | undefined): string => (at === undefined ? '–' : span(at - now))
  const ago = (at: number | undefined): string => (at === undefined ? '–' : span(now - at))
  const token =
    view.expiresAt === undefined
      ? 'no access token'
      : `access token: ${view.expiresAt > now ? `${left(view.expiresAt)} left` : 'expired'}${view.renewsAt === undefined ? '' : `, renews in ${left(view.renewsAt)}`}`
  const verdict = [
    fresh ? `${symbols.done} fresh` : `${symbols.degraded} not fresh`,
    view.mode,
    `up ${span(now - view.startedAt)}`,
    token,
  ].join(' · ')
  const rows = view.outputs.map((row) => [
    row.name,
    row.kind,
    row.kind === 'token' ? '–' : String(row.values),
    ago(row.changedAt),
    ago(row.checkedAt),
    left(row.nextAt),
    row.state === 'fresh'
      ? symbols.done
      : `${symbols.degraded} ${row.state}${row.error === undefined ? '' : `: ${row.error}`}`,
  ])
  const head = ['OUTPUT', 'KIND', 'VALUES', 'CHANGED', 'CHECKED', 'NEXT', 'STATE']
  const tail = view.lastError === undefined || fresh ? [] : [view.lastError]
  return [verdict, columns([head, ...rows], [2]), ...tail].join('\n')
}

function failureOf(value: unknown): string | undefined {
  if (!isRecord(value)) return undefined
  const variable = textOf(value['variable'])
  const what = variable === '' ? `: ${textOf(value['message'])}` : ` on ${variable}`
  return textOf(value['code']) + what
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function instantOf(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}
