import type { AgentConfig } from '../config/load.ts'
import { parseSecretList } from '../config/secret-list.ts'
import { parseYaml } from '../config/yaml.ts'
import type { Place } from '../conjur/address.ts'
import { authenticate } from '../conjur/authenticate.ts'
import { listVariables } from '../conjur/list.ts'
import { isConjur, retrieve } from '../conjur/retrieve.ts'
import type { IdentityError } from '../core/errors.ts'
import type { Send } from '../core/http.ts'
import { createSource } from '../identity/create.ts'
import { readTokenProxyCa } from '../identity/token-proxy.ts'
import { createTokenWith } from '../kubernetes/token-request.ts'
import { createSender } from '../net/send.ts'
import { readCa } from '../net/trusted-ca.ts'
import { kubernetesSecrets } from '../outputs/kubernetes-secrets.ts'
import { createReloader, type Reloaded, type Reloader } from '../outputs/reload.ts'
import { groupPaths } from '../outputs/secret-group.ts'
import { secretFiles } from '../outputs/secret-files.ts'
import { tokenFile } from '../outputs/token-file.ts'
import type { Clock } from './clock.ts'
import type { Stages } from './cycle.ts'
import { explainRefusal } from './refusal.ts'
import { secretStore } from './secret-store.ts'

/** What surrounds the pieces: time, chance, and who is told of waits inside a source. */
export interface Surroundings {
  readonly clock: Clock
  readonly random: () => number
  /** What the process was started with. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly identityRetry: (reason: IdentityError, waitMs: number) => void
  /** The same Send, watched under a name. */
  readonly measured: (operation: string, send: Send) => Send
  readonly reloaded: (reloaded: Reloaded) => void
}

/** The pieces of one configuration, put together, and how to let go of their connections. */
export interface Assembly {
  readonly stages: Stages
  /** Tells applications of changes. */
  readonly reloader: Reloader
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
  const senders = [toConjur, toPlatform, toInternet]
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
  const secrets =
    config.kubernetesSecrets &&
    kubernetesSecrets({
      store: secretStore(config.kubernetesSecrets.namespace, now),
      names: config.kubernetesSecrets.names,
      parseYaml,
      parseList: parseSecretList,
    })
  const groups = config.kubernetesSecrets === undefined ? config.groups : []
  return {
    stages: {
      identity: createSource(config.identity.source, {
        clock: surroundings.clock,
        random: surroundings.random,
        budgetMs: config.identity.budgetMs,
        onRetry: surroundings.identityRetry,
        toPlatform: surroundings.measured('platform', toPlatform.send),
        toInternet: surroundings.measured('platform', toInternet.send),
        toConjur: surroundings.measured('authenticate', toConjur.send),
        toTokenProxy: (proxy) => {
          const sender = createSender({
            ca: () => readTokenProxyCa(proxy.ca),
            serverName: proxy.serverName,
            connectTimeoutMs: REMOTE_CONNECT_MS,
          })
          senders.push(sender)
          return surroundings.measured('platform', sender.send)
        },
        createToken: createTokenWith(),
        environment: surroundings.environment,
      }),
      async authenticate(credential, signal) {
        try {
          return await authenticate(logins, credential.secret, signal)
        } catch (error) {
          throw explainRefusal(error, credential, conjur.authenticator.type)
        }
      },
      async retrieve(token, signal) {
        const wanted = await secrets?.wanted(signal)
        const ids = groups.flatMap(({ entries }) => entries.map(({ variableId }) => variableId))
        const isAll = wanted?.all === true || groups.some(({ fetchAll }) => fetchAll !== undefined)
        const listed = isAll ? await listVariables(reading, token, signal) : undefined
        const all = new Set([...ids, ...(wanted?.variableIds ?? []), ...(listed ?? [])])
        const outcomes = await retrieve(reading, token, { variableIds: [...all], signal })
        return { outcomes, ...(listed === undefined ? {} : { listed }) }
      },
      isConjur: (token, signal) => isConjur(reading, token, signal),
      tokenOutput: tokenFile(config.accessTokenFile),
      outputs: [
        ...(groups.length === 0
          ? []
          : [secretFiles({ ...config, groups, directory: config.secretsDirectory })]),
        ...(secrets === undefined ? [] : [secrets]),
      ],
      removeDeleted: config.removeDeleted,
      clock: surroundings.clock,
    },
    reloader: createReloader({
      groups: config.groups.map((group) => ({
        name: group.name,
        files: groupPaths(group),
        actions: group.reload ?? [],
      })),
      intervalMs: config.reloadIntervalMs,
      send: surroundings.measured('reload', toPlatform.send),
      clock: surroundings.clock,
      onReloaded: surroundings.reloaded,
    }),
    async close() {
      await Promise.all(senders.map((sender) => sender.close()))
    },
  }
}
