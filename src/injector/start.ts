import { readFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { Logger } from 'pino'
import { listenAddress, Unfit } from '../config/setting.ts'
import { ConfigError, UsageError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import { createLogger } from '../telemetry/log.ts'
import { agentCheck, knownAnnotations } from './agent-check.ts'
import { loadSettings } from './load-settings.ts'
import { createMetrics, type InjectorMetrics } from './metrics.ts'
import { review } from './review.ts'
import { createStatusServer, createWebhook, refusalOf, type Answered } from './server.ts'

/** `conjur-agent injector`: answers admission reviews until SIGTERM, then ends with 0. */
export async function start(invocation: Invocation): Promise<number> {
  const listen = address(invocation, 'listen', '0.0.0.0:8443')
  const statusListen = address(invocation, 'status-listen', '0.0.0.0:8080')
  const settings = await loadSettings(invocation)
  const log = createLogger({
    level: logLevel(invocation),
    destination: process.stderr,
    pretty: process.stderr.isTTY,
  })
  const metrics = createMetrics()
  const tls = await suppliedCertificate(invocation)
  const context = { settings: settings.injection, known: knownAnnotations(), check: agentCheck }
  const webhook = createWebhook(tls, {
    review: (request) => review(request, context),
    answered: (answered) => record(answered, { log, metrics }),
    failed: (error) => log.error({ err: error }, 'a review failed'),
  })
  let ready = false
  const status = createStatusServer({
    notReady: () => (ready ? undefined : 'reviews are not served'),
    metrics: () => metrics.text(),
  })
  const ended = signalled()
  await Promise.all([listening(webhook, listen), listening(status, statusListen)])
  ready = true
  log.info({ listen: shown(listen), status: shown(statusListen) }, 'serving reviews at /mutate')
  await ended
  ready = false
  await Promise.all([closed(webhook), closed(status)])
  return 0
}

interface Address {
  readonly host: string
  readonly port: number
}

function address({ flags }: Invocation, name: string, usual: string): Address {
  const typed = flags[name] ?? usual
  const read = listenAddress(String(typed))
  if (read !== 'off' && !(read instanceof Unfit)) return read
  throw new UsageError('USAGE', `--${name} "${String(typed)}" is no address`, {
    hint: `write it as HOST:PORT, such as --${name} ${usual}`,
  })
}

function shown({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

const levels = ['debug', 'info', 'warn', 'error'] as const

function logLevel({ flags, environment }: Invocation): (typeof levels)[number] {
  const typed = flags['log-level'] ?? environment['LOG_LEVEL'] ?? 'info'
  const level = levels.find((candidate) => candidate === typed)
  if (level !== undefined) return level
  throw new UsageError('USAGE', `there is no log level ${String(typed)}`, {
    hint: `write one of ${levels.join(', ')}`,
  })
}

async function suppliedCertificate({
  flags,
}: Invocation): Promise<{ readonly cert: string; readonly key: string }> {
  const read = async (name: string): Promise<string> => {
    const path = flags[name]
    if (typeof path !== 'string') {
      throw new UsageError('USAGE', `--${name} is missing`, {
        hint: 'name the serving certificate: --tls-cert FILE --tls-key FILE',
      })
    }
    try {
      return await readFile(path, 'utf8')
    } catch (cause) {
      throw new ConfigError('CONFIG_UNREADABLE', `--${name}: ${path} cannot be read`, {
        hint: `ls -l ${path}`,
        cause,
      })
    }
  }
  return { cert: await read('tls-cert'), key: await read('tls-key') }
}

interface Recorders {
  readonly log: Logger
  readonly metrics: InjectorMetrics
}

/** One line a pod that opted in, one count a review. Names and reasons only: a patch may hold anything. */
function record({ request, answer, seconds }: Answered, { log, metrics }: Recorders): void {
  const reason = answer.outcome === 'malformed' ? 'malformed' : answer.reason
  metrics.reviewed({ outcome: answer.outcome, reason, seconds })
  const facts = { namespace: request?.namespace ?? undefined, uid: request?.uid, reason }
  switch (answer.outcome) {
    case 'injected':
      log.info(facts, 'injected')
      break
    case 'skipped':
      log.debug(facts, 'not injected')
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

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        resolve()
      })
    }
  })
}

function listening(
  server: Pick<Server, 'listen' | 'once'>,
  { host, port }: Address,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: Error) => {
      reject(
        new ConfigError('CONFIG_INVALID', `${shown({ host, port })} cannot be listened on`, {
          hint: `ss -ltnp 'sport = :${port}' shows who holds the port`,
          cause,
        }),
      )
    })
    server.listen({ port, ...(host === '' ? {} : { host }) }, resolve)
  })
}

/** Lets running reviews end, but for no longer than half a second. */
function closed(server: Pick<Server, 'close' | 'closeIdleConnections' | 'closeAllConnections'>) {
  return new Promise<void>((resolve) => {
    const hurry = setTimeout(() => {
      server.closeAllConnections()
    }, 500)
    server.close(() => {
      clearTimeout(hurry)
      resolve()
    })
    server.closeIdleConnections()
  })
}
