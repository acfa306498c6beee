import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import { UsageError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import { runtimeOf } from '../core/runtime.ts'
import { briefly, connect } from '../kubernetes/cluster.ts'
import { eventPort } from '../kubernetes/events.ts'
import { podLister } from '../kubernetes/pods.ts'
import { createLogger } from '../telemetry/log.ts'
import { serveStatus } from '../telemetry/status-server.ts'
import { agentCheck, knownAnnotations } from './agent-check.ts'
import {
  selfMadeCertificate,
  suppliedCertificate,
  type CertificateSource,
} from './certificate-source.ts'
import { readCommandLine, shown, type CommandLine } from './command-line.ts'
import { closed, listening, unlessTaken } from './listening.ts'
import { loadSettings, type InjectorSettings } from './load-settings.ts'
import { createInjectorMetrics, type InjectorMetrics } from './metrics.ts'
import { review } from './review.ts'
import { createWebhook, refusalOf, type Answered } from './server.ts'
import { openTracing } from './traces.ts'
import { auditor, refusalWitness } from './witnesses.ts'

/** `inject` prints patched manifests or missed pods; `injector` answers reviews until SIGTERM, then ends with 0. */
export async function start(invocation: Invocation): Promise<number> {
  return invocation.command === 'inject' ? print(invocation) : keepServing(invocation)
}

async function print(invocation: Invocation): Promise<number> {
  const { inject } = await import('./inject.ts')
  const { stdout, stderr, code } = await inject(invocation, process.stdin)
  process.stderr.write(stderr)
  process.stdout.write(stdout)
  return code
}

async function keepServing(invocation: Invocation): Promise<number> {
  const line = readCommandLine(invocation)
  const settings = await loadSettings(invocation)
  const log = createLogger({
    level: line.logLevel,
    destination: process.stderr,
    pretty: process.stderr.isTTY,
  })
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      stop.abort(new Error('asked to end'))
    })
  }
  try {
    await serve({ line, settings, log, metrics: createInjectorMetrics() }, stop.signal)
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
  return 0
}

interface Parts {
  readonly line: CommandLine
  readonly settings: InjectorSettings
  readonly log: Logger
  readonly metrics: InjectorMetrics
}

async function serve(parts: Parts, signal: AbortSignal): Promise<void> {
  const certificate = await certificateSource(parts)
  try {
    await serveWith(certificate, parts, signal)
  } finally {
    await certificate.close()
  }
}

async function serveWith(
  certificate: CertificateSource,
  parts: Parts,
  signal: AbortSignal,
): Promise<void> {
  const { line, settings, log, metrics } = parts
  let serving = false
  const notReady = (): string | undefined =>
    serving ? certificate.notTrusted() : 'reviews are not served'
  const status = await unlessTaken(
    line.statusListen,
    serveStatus(line.statusListen, {
      live: () => ({ ok: true, reasons: [] }),
      ready: () => conditionOf(notReady()),
      status: () => ({ ready: conditionOf(notReady()), leads: certificate.leads() }),
      metrics: () => metrics.text(),
    }),
  )
  const witness = await witnesses(parts, { certificate, signal })
  const tracing = await openTracing(settings.traces, log)
  const context = { settings: settings.injection, known: knownAnnotations(), check: agentCheck }
  const first = await certificate.start((pair) => {
    webhook.setSecureContext(pair)
  }, signal)
  const webhook = createWebhook(first, {
    review: (request) => review(request, context),
    answered: (answered) => {
      record(answered, parts)
      tracing.answered(answered)
      witness(answered)
    },
    failed: (error) => {
      log.error({ err: error, code: 'REVIEW_FAILED' }, 'a review failed')
    },
    keepsCertificate: runtimeOf(process).keepsCertificate,
  })
  const listen = await listening(webhook, line.listen)
  serving = true
  log.info(
    { code: 'SERVING', listen: shown(listen), status: shown(status.address) },
    'serving reviews',
  )
  await aborted(signal)
  serving = false
  await Promise.all([closed(webhook), status.close(), tracing.close()])
}

/** Supplied files where they are named, or the injector's own work where the config file says so. */
async function certificateSource({
  line,
  settings,
  log,
  metrics,
}: Parts): Promise<CertificateSource> {
  const { certificate, injection } = settings
  if (line.files !== undefined) return suppliedCertificate(line.files, { log, metrics })
  if (certificate.mode !== 'self') {
    throw new UsageError('USAGE', 'there is no serving certificate', {
      hint: 'name it: --tls-cert FILE --tls-key FILE, or set certificate.mode to self in the config file',
    })
  }
  const namespace = injection.ownNamespace ?? 'default'
  const service = certificate.serviceName
  return selfMadeCertificate(
    {
      namespace,
      secretName: certificate.secretName,
      leaseName: certificate.secretName,
      webhookName: certificate.webhookName,
      identity: line.identity,
      names: [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.cluster.local`],
      leafDays: certificate.leafDays,
      caDays: certificate.caDays,
    },
    { log, metrics },
  )
}

interface Surroundings {
  readonly certificate: CertificateSource
  readonly signal: AbortSignal
}

/** Who is told what, beside the log: owners of refused pods, and pods that were missed. */
async function witnesses(
  { settings, log, metrics }: Parts,
  { certificate, signal }: Surroundings,
): Promise<(answered: Answered) => void> {
  const { audit, events, injection } = settings
  if (!audit.enabled && !events) return () => {}
  const cluster = await connect()
  const emit = eventPort(cluster, 'conjur-agent-injector')
  if (audit.enabled) {
    const look = auditor({ list: podLister(cluster), emit, settings: injection, metrics, log })
    const watch = async (): Promise<void> => {
      for (;;) {
        await wait(audit.interval, undefined, { signal })
        if (!certificate.leads()) continue
        await look().catch((error: unknown) => {
          log.warn(
            { code: 'AUDIT_FAILED', reason: briefly(error) },
            'the audit could not be finished',
          )
        })
      }
    }
    watch().catch(() => {})
  }
  return events ? refusalWitness(emit, log) : () => {}
}

/** One line a pod that opted in, one count a review. Names and reasons only: a patch may hold anything. */
function record({ request, answer, seconds }: Answered, { log, metrics }: Parts): void {
  const reason = answer.outcome === 'malformed' ? 'malformed' : answer.reason
  metrics.reviewed({ outcome: answer.outcome, reason, seconds })
  const facts = { namespace: request?.namespace ?? undefined, uid: request?.uid, reason }
  switch (answer.outcome) {
    case 'injected':
      log.info({ code: 'INJECTED', ...facts }, 'injected')
      break
    case 'skipped':
      log.debug({ code: 'NOT_INJECTED', ...facts }, 'not injected')
      break
    case 'refused':
      log.warn({ ...facts, code: 'ADMISSION_REFUSED' }, refusalOf(answer))
      break
    case 'malformed':
      log.warn({ ...facts, code: 'ADMISSION_MALFORMED' }, answer.message)
      break
    default:
      answer satisfies never
  }
}

function conditionOf(why: string | undefined) {
  return { ok: why === undefined, reasons: why === undefined ? [] : [why] }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => {
      resolve()
    })
  })
}
