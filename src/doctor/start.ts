import { STANDALONE_LEASE } from '../kubernetes/lease.ts'
import { existsSync } from 'node:fs'
import { parseDuration } from '../config/duration.ts'
import { readGiven } from '../config/given.ts'
import { readConfig, type PartialConfig, type ReadConfig } from '../config/load.ts'
import { configError } from '../config/problems.ts'
import { UsageError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import { nearest } from '../core/nearest.ts'
import { terminalFor } from '../core/terminal.ts'
import { checkGroup } from '../outputs/check-groups.ts'
import { checkPolicy, printCheck } from './check-policy.ts'
import { platformCredential } from './check-token.ts'
import { textAt } from '../identity/claims.ts'
import { viewOf } from './connection-view.ts'
import type { Console } from './console.ts'
import type { Tools } from './known.ts'
import { planFor } from './plan.ts'
import { preflight } from './preflight.ts'
import { printPolicy, printValues } from './print-policy.ts'
import { rbac, type KubernetesNeeds } from './rbac.ts'
import { stepIds, type StepId } from '../core/doctor-steps.ts'
import { createTools, operatorTokenIn } from './tools.ts'
import { silently, waitingOn } from './waiting.ts'

/** How long it may take to end after a signal; what still hangs then is left behind (P7). */
const LAST_MOMENT_MS = 500

/** Starts `doctor`, `policy` or `rbac`. Resolves to its exit code; throws what a report can show. */
export async function start(invocation: Invocation): Promise<number> {
  const stop = new AbortController()
  const lastMoment = Promise.withResolvers<number>()
  let signalNumber = 0
  const onSignal = (number: number) => () => {
    signalNumber = number
    process.exitCode = 128 + number
    stop.abort(new Error('asked to end'))
    // A source that does not listen must not keep a process that was told to go (P7).
    setTimeout(() => lastMoment.resolve(128 + number), LAST_MOMENT_MS)
  }
  process.once('SIGTERM', onSignal(15))
  process.once('SIGINT', onSignal(2))
  try {
    return await Promise.race([run(invocation, stop.signal), lastMoment.promise])
  } catch (error) {
    if (!stop.signal.aborted) throw error
    return 128 + signalNumber
  }
}

/** Flags of these commands that are no settings. */
const OWN_FLAGS: readonly string[] = [
  'until',
  'short',
  'json',
  'timeout',
  'conjur-token-file',
  'connection',
  'values',
  'check',
  'output',
  'force',
  'match',
  'for',
  'answers',
  'token-file',
  'jwks',
  'namespace',
  'service-account',
]

async function run(invocation: Invocation, signal: AbortSignal): Promise<number> {
  const { command, flags, environment } = invocation
  const timeoutMs = timeoutOf(flags['timeout'])
  const until = stepOf(flags['until'])
  const connection = textOf(flags['connection'])
  const operatorToken = await operatorTokenIn(flags['conjur-token-file'])
  const settings = Object.entries(flags).filter(([name]) => !OWN_FLAGS.includes(name))
  const given = await readGiven({ flags: Object.fromEntries(settings), environment })
  const console = consoleFor(invocation)
  const isJson = flags['json'] === true
  const waiting = process.stderr.isTTY && !isJson ? waitingOn(console.err) : silently
  const { tools, close } = createTools({
    given,
    timeoutMs,
    operatorToken,
    connection,
    stillWaiting: waiting.because,
  })
  try {
    if (command === 'doctor') {
      const options = { until, isShort: flags['short'] === true, isJson, console, waiting }
      return await preflight(options, tools, signal)
    }
    const read = await readConfig({ ...given, templateExists: existsSync, checkGroup })
    if (command === 'rbac') return await printRbac({ read, flags, console }, tools, signal)
    const partial = viewOf(read.partial, connection)
    const plan = await planFor({ ...read, partial, flags }, tools, signal)
    if (flags['check'] === true) {
      return printCheck(await checkPolicy(plan, tools, signal), { isJson, console })
    }
    const output = textOf(flags['output'])
    if (flags['values'] === true) printValues(plan, console)
    else printPolicy(plan, { output, force: flags['force'] === true }, console)
    return 0
  } finally {
    await close()
  }
}

function consoleFor({ flags, environment }: Invocation): Console {
  const color = flags['color']
  const terminal = ({ isTTY, columns }: NodeJS.WriteStream): Console['outTerminal'] =>
    terminalFor({ isTerminal: isTTY, columns, environment, color })
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    outTerminal: terminal(process.stdout),
    errTerminal: terminal(process.stderr),
  }
}

interface RbacOptions {
  readonly read: ReadConfig
  readonly flags: Invocation['flags']
  readonly console: Console
}

async function printRbac(
  { read, flags, console }: RbacOptions,
  tools: Tools,
  signal: AbortSignal,
): Promise<number> {
  if (read.problems.some(({ place }) => place !== 'not set')) throw configError(read.problems)
  const { environment } = tools.given
  const { source } = read.partial.identity
  const request = source.kind === 'token-request' ? source.request : undefined
  const token = await claimsOf(read.partial, tools, signal)
  const namespace =
    textOf(flags['namespace']) ??
    request?.namespace ??
    textOf(environment['MY_POD_NAMESPACE']) ??
    textAt(token, 'kubernetes.io/namespace')
  const serviceAccount =
    textOf(flags['service-account']) ??
    request?.serviceAccount ??
    textAt(token, 'kubernetes.io/serviceaccount/name')
  if (namespace === undefined || serviceAccount === undefined) {
    throw new UsageError('USAGE', 'there is no service-account token to read the names from', {
      hint: 'conjur-agent rbac --namespace NAME --service-account NAME',
    })
  }
  console.out(
    rbac({
      namespace,
      serviceAccount,
      tokenRequest: request !== undefined,
      secrets: secretsOf(read.partial),
      ...(read.partial.kubernetesSecrets === undefined
        ? {}
        : { secretNamespaces: read.partial.kubernetesSecrets.namespaces }),
      ...(read.partial.mode === 'standalone' ? { lease: STANDALONE_LEASE } : {}),
    }),
  )
  return 0
}

/** The Kubernetes Secrets that the settings ask to fill; without names, all that carry the label. */
function secretsOf({ kubernetesSecrets }: PartialConfig): KubernetesNeeds['secrets'] {
  if (kubernetesSecrets === undefined) return 'none'
  return kubernetesSecrets.names.length === 0 ? 'labelled' : kubernetesSecrets.names
}

/** The claims of the service account's token; none where there is no such token. */
async function claimsOf(
  partial: PartialConfig,
  tools: Tools,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  if (partial.identity.source.kind !== 'projected-token') return {}
  try {
    const { credential } = await platformCredential(partial, tools, signal)
    return credential.kind === 'jwt' ? credential.claims : {}
  } catch {
    signal.throwIfAborted()
    return {}
  }
}

function textOf(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function stepOf(flag: string | boolean | undefined): StepId {
  if (flag === undefined) return 'volume'
  const typed = String(flag)
  const step = stepIds.find((id) => id.toLowerCase() === typed.toLowerCase())
  if (step !== undefined) return step
  const guess = nearest(typed, stepIds)
  throw new UsageError('USAGE', `doctor has no step ${typed}`, {
    hint:
      guess === undefined
        ? `the steps are ${stepIds.join(', ')}`
        : `did you mean --until ${guess}?`,
  })
}

const DEFAULT_TIMEOUT_MS = 10_000

function timeoutOf(flag: string | boolean | undefined): number {
  if (flag === undefined) return DEFAULT_TIMEOUT_MS
  const ms = parseDuration(String(flag))
  if (ms !== undefined && ms > 0) return ms
  throw new UsageError('USAGE', `--timeout ${String(flag)} is no duration`, {
    hint: 'conjur-agent doctor --timeout 10s',
  })
}
