import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import { briefly, connect } from '../kubernetes/cluster.ts'
import { leasePort } from '../kubernetes/lease.ts'
import { secretPort } from '../kubernetes/secrets.ts'
import { webhookPort } from '../kubernetes/webhook.ts'
import {
  fits,
  readSupplied,
  validityOf,
  watchSupplied,
  type CertificateFiles,
  type KeyPair,
} from './certificate.ts'
import type { InjectorMetrics } from './metrics.ts'
import { resign, turn, type RotationContext, type Turn } from './rotation.ts'

/** Where the serving certificate comes from, and when it changes. */
export interface CertificateSource {
  /** The first certificate, as soon as there is one; every later one goes to `renewed`. */
  start(renewed: (pair: KeyPair) => void, signal: AbortSignal): Promise<KeyPair>
  /** Why API servers do not accept the certificate, or undefined where they do as far as we know. */
  notTrusted(): string | undefined
  /** Whether this replica does what only one should do. */
  leads(): boolean
  /** Stops watching, and leaves to another replica what only one should do. */
  close(): Promise<void>
}

interface Reporting {
  readonly log: Logger
  readonly metrics: InjectorMetrics
}

/** A certificate that somebody else writes: cert-manager, or an administrator. */
export function suppliedCertificate(
  files: CertificateFiles,
  { log, metrics }: Reporting,
): CertificateSource {
  let stopWatching: (() => Promise<void>) | undefined
  return {
    async start(renewed) {
      let served = await readSupplied(files)
      note(served, metrics)
      const reread = async (): Promise<void> => {
        const pair = await readSupplied(files)
        if (pair.cert === served.cert) return
        served = pair
        note(pair, metrics)
        renewed(pair)
        log.info({ code: 'CERTIFICATE_SERVED', cert: files.cert }, 'serving a new certificate')
      }
      stopWatching = await watchSupplied(files, () => {
        reread().catch((error: unknown) => {
          // The other of the two files may be on its way; what is served stays good meanwhile.
          log.debug(
            { err: error, code: 'CERTIFICATE_UNREADABLE' },
            'the certificate cannot be read yet',
          )
        })
      })
      return served
    },
    notTrusted: () => undefined,
    leads: () => true,
    async close() {
      await stopWatching?.()
    },
  }
}

export interface SelfMadeOptions {
  readonly namespace: string
  readonly secretName: string
  readonly leaseName: string
  readonly webhookName: string
  readonly identity: string
  readonly names: readonly string[]
  readonly leafDays: number
  readonly caDays: number
}

/** How long handing over the Lease may take at the end. */
const LAST_MOMENT_MS = 400

/** How often a replica looks at what all of them share. */
const TURN_MS = 5000

/** A certificate that the injector makes and rotates itself, shared by its replicas through a Secret. */
export async function selfMadeCertificate(
  options: SelfMadeOptions,
  { log, metrics }: Reporting,
): Promise<CertificateSource> {
  const cluster = await connect()
  const { namespace } = options
  const context: RotationContext = {
    secret: secretPort(cluster, { name: options.secretName, namespace }),
    lease: leasePort(cluster, { name: options.leaseName, namespace }),
    webhook: webhookPort(cluster, options.webhookName),
    identity: options.identity,
    options,
    now: Date.now,
  }
  let last: Turn | undefined
  let trouble: string | undefined
  const take = async (): Promise<KeyPair | undefined> => {
    try {
      last = await turn(context)
      trouble = undefined
      metrics.leads(last.leads)
      const authority = validityOf(last.store?.authority.cert ?? '')
      if (authority !== undefined) metrics.certificateExpires('ca', authority.endsAt)
      for (const step of last.done) log.info({ code: 'CERTIFICATE_STEP', step }, 'certificate')
      return last.store?.leaf
    } catch (error) {
      // What was served before is still good; only somebody who never had a certificate must wait.
      const why = briefly(error)
      if (why !== trouble)
        log.warn(
          { code: 'CERTIFICATE_TROUBLE', reason: why },
          'the certificate cannot be looked after',
        )
      trouble = why
      return undefined
    }
  }
  let running = Promise.resolve()
  return {
    async start(renewed, signal) {
      let served = await take()
      while (served === undefined) {
        await wait(1000, undefined, { signal })
        served = await take()
      }
      note(served, metrics)
      const first = served
      running = (async () => {
        let current = first
        for (;;) {
          await wait(TURN_MS, undefined, { signal })
          const pair = await take()
          if (pair === undefined || pair.cert === current.cert || !fits(pair)) continue
          current = pair
          note(pair, metrics)
          renewed(pair)
          log.info({ code: 'CERTIFICATE_SERVED' }, 'serving a new certificate')
        }
      })().catch(() => {})
      return first
    },
    notTrusted: () => (last === undefined ? trouble : last.notTrusted),
    leads: () => last?.leads ?? false,
    async close() {
      const handOver = async (): Promise<void> => {
        await running
        if (last?.leads === true) await resign(context)
      }
      // An API server that does not answer must not keep the process: the Lease ends by itself.
      await Promise.race([handOver().catch(() => {}), wait(LAST_MOMENT_MS)])
    },
  }
}

function note({ cert }: KeyPair, metrics: InjectorMetrics): void {
  const validity = validityOf(cert)
  if (validity !== undefined) metrics.certificateExpires('leaf', validity.endsAt)
}
