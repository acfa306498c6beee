import { readFile } from 'node:fs/promises'
import type { AgentConfig } from '../config/load.ts'
import type { Place } from '../conjur/address.ts'
import { authenticate } from '../conjur/authenticate.ts'
import { isConjur, retrieve } from '../conjur/retrieve.ts'
import { ConfigError, type IdentityError } from '../core/errors.ts'
import type { Send } from '../core/http.ts'
import { azureImds } from '../identity/azure-imds.ts'
import { azureWorkload } from '../identity/azure-workload.ts'
import { projectedToken } from '../identity/projected-token.ts'
import type { IdentitySource } from '../identity/source.ts'
import { createSender } from '../net/send.ts'
import { secretFiles } from '../outputs/secret-files.ts'
import { tokenFile } from '../outputs/token-file.ts'
import type { Clock } from './clock.ts'
import type { Stages } from './cycle.ts'

/** What surrounds the pieces: time, chance, and who is told of waits inside a source. */
export interface Surroundings {
  readonly clock: Clock
  readonly random: () => number
  readonly identityRetry: (reason: IdentityError, waitMs: number) => void
  /** The same Send, watched under a name. */
  readonly measured: (operation: string, send: Send) => Send
}

/** The pieces of one configuration, put together, and how to let go of their connections. */
export interface Assembly {
  readonly stages: Stages
  readonly close: () => Promise<void>
}

/** The metadata service answers at once or not at all; Conjur and Entra may be far away. */
const LOCAL_CONNECT_MS = 2000
const REMOTE_CONNECT_MS = 10_000

/** Picks the concrete pieces for a configuration; nothing else names them together. */
export function assemble(config: AgentConfig, surroundings: Surroundings): Assembly {
  const { conjur } = config
  const toConjur = createSender({
    ca: () => readCa(conjur.ca),
    connectTimeoutMs: REMOTE_CONNECT_MS,
  })
  const toPlatform = createSender({ connectTimeoutMs: LOCAL_CONNECT_MS })
  const toInternet = createSender({ connectTimeoutMs: REMOTE_CONNECT_MS })
  const now = (): number => surroundings.clock.now()
  const place: Place = { applianceUrl: conjur.applianceUrl, account: conjur.account }
  const reading = {
    send: surroundings.measured('retrieve', toConjur.send),
    place,
    timeoutMs: conjur.timeoutMs,
    now,
  }
  const logins = {
    ...reading,
    send: surroundings.measured('authenticate', toConjur.send),
    place: { ...place, applianceUrl: conjur.authnBaseUrl },
    authenticator: conjur.authenticator,
    login: conjur.login,
  }
  const variableIds = [
    ...new Set(config.groups.flatMap((group) => group.entries.map((entry) => entry.variableId))),
  ]
  return {
    stages: {
      identity: identitySource(config, {
        ...surroundings,
        toPlatform: surroundings.measured('platform', toPlatform.send),
        toInternet: surroundings.measured('platform', toInternet.send),
      }),
      authenticate: (platformToken, signal) => authenticate(logins, platformToken, signal),
      retrieve: (token, signal) => retrieve(reading, token, { variableIds, signal }),
      isConjur: (token, signal) => isConjur(reading, token, signal),
      tokenOutput: tokenFile(config.accessTokenFile),
      outputs:
        config.groups.length === 0
          ? []
          : [secretFiles({ ...config, directory: config.secretsDirectory })],
      removeDeleted: config.removeDeleted,
      clock: surroundings.clock,
    },
    async close() {
      await Promise.all([toConjur, toPlatform, toInternet].map((sender) => sender.close()))
    },
  }
}

interface Ways extends Surroundings {
  readonly toPlatform: Send
  readonly toInternet: Send
}

function identitySource({ identity }: AgentConfig, ways: Ways): IdentitySource {
  const { source, budgetMs } = identity
  const patience = {
    clock: ways.clock,
    random: ways.random,
    budgetMs,
    onRetry: ways.identityRetry,
  }
  switch (source.kind) {
    case 'projected-token':
      return projectedToken({ ...source, clock: ways.clock })
    case 'azure-imds':
      return azureImds({ ...source, ...patience, send: ways.toPlatform })
    case 'azure-workload-identity':
      return azureWorkload({ ...source, ...patience, send: ways.toInternet })
    default:
      return source satisfies never
  }
}

/** The trusted CA as PEM text, its file read afresh (P10); undefined for the public roots. */
async function readCa(ca: AgentConfig['conjur']['ca']): Promise<string | undefined> {
  if (ca === undefined) return undefined
  if ('pem' in ca) return ca.pem
  try {
    const pem = await readFile(ca.file, 'utf8')
    if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem
    throw new Error('it holds no PEM certificate')
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it cannot be read'
    throw new ConfigError('CONFIG_UNREADABLE', `CONJUR_CERT_FILE ${ca.file}: ${why}`, {
      hint: `mount the CA certificate of Conjur at ${ca.file}, or set CONJUR_SSL_CERTIFICATE`,
      retryable: true,
      facts: { file: ca.file },
      cause: error,
    })
  }
}
