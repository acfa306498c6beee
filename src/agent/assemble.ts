import type { AgentConfig } from '../config/load.ts'
import { parseSecretList } from '../config/secret-list.ts'
import { parseYaml } from '../config/yaml.ts'
import type { AccessToken } from '../conjur/access-token.ts'
import type { Place } from '../conjur/address.ts'
import { authenticate } from '../conjur/authenticate.ts'
import { listVariables, type ListedVariable } from '../conjur/list.ts'
import { isConjur, retrieve, type Outcome } from '../conjur/retrieve.ts'
import type { IdentityError } from '../core/errors.ts'
import { SendFailure, type Send } from '../core/http.ts'
import { createSource } from '../identity/create.ts'
import { readTokenProxyCa } from '../identity/token-proxy.ts'
import { createTokenWith } from '../kubernetes/token-request.ts'
import { createFollowers, type Followers, type Switch } from '../net/followers.ts'
import { createSender, type Sender, type SendOptions } from '../net/send.ts'
import { examineCa, readCa } from '../net/trusted-ca.ts'
import { kubernetesSecrets, type KubernetesSecrets } from '../outputs/kubernetes-secrets.ts'
import { createReloader, type Reloaded, type Reloader } from '../outputs/reload.ts'
import { groupPaths } from '../outputs/secret-group.ts'
import { secretFiles } from '../outputs/secret-files.ts'
import { tokenFile } from '../outputs/token-file.ts'
import type { Clock } from './clock.ts'
import { createConnection, type ConnectionParts } from './connection.ts'
import type { Stages } from './cycle.ts'
import { readExpiries } from './expiries.ts'
import { byOneServer } from './one-server.ts'
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
  /** Told when another of several servers takes over. */
  readonly switched: (change: Switch) => void
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
  const senders: Sender[] = []
  const wires = { surroundings, senders }
  const main = connect(config, wires)
  const now = (): number => surroundings.clock.now()
  const others = config.connections.map((connection) => ({
    name: connection.name,
    read: createConnection({ ...connect(connection, wires), clock: surroundings.clock }),
  }))
  const { names = [], namespaces = [] } = config.kubernetesSecrets ?? {}
  const secrets = namespaces.map((namespace) =>
    named(
      namespaces.length > 1 ? `${namespace}/` : '',
      kubernetesSecrets({
        store: secretStore(namespace, now),
        names,
        parseYaml,
        parseList: parseSecretList,
      }),
    ),
  )
  const groups = config.kubernetesSecrets === undefined ? config.groups : []
  return {
    stages: {
      identity: main.identity,
      authenticate: main.authenticate,
      async retrieve(token, signal) {
        const wanted = await Promise.all(secrets.map((each) => each.wanted(signal)))
        const idsOf = (connection: string | undefined): string[] =>
          groups
            .filter((group) => group.connection === connection)
            .flatMap(({ entries }) => entries.map(({ variableId }) => variableId))
        const isGroupAll = groups.some(({ fetchAll }) => fetchAll !== undefined)
        const isAll = isGroupAll || wanted.some(({ ofAll }) => ofAll !== undefined)
        const list = isAll ? await main.list(token, signal) : undefined
        const listed = list?.map(({ id }) => id)
        const seen = listed ?? []
        const own = [
          ...new Set([
            ...idsOf(undefined),
            ...wanted.flatMap(({ variableIds }) => variableIds),
            ...(isGroupAll ? seen : wanted.flatMap(({ ofAll }) => ofAll?.(seen) ?? [])),
          ]),
        ]
        const outcomes = await main.retrieve(token, own, signal)
        const said = new Map<string, Outcome>()
        for (const { name, read } of others) {
          const ids = new Set(idsOf(name).map((id) => id.slice(name.length + 1)))
          if (ids.size === 0) continue
          for (const [id, outcome] of await read([...ids], signal))
            said.set(`${name}:${id}`, outcome)
        }
        const expiries = config.refreshBeforeExpiry
          ? await readExpiries(outcomes, async () => list ?? main.list(token, signal), signal)
          : undefined
        return {
          outcomes,
          others: said,
          ...(listed === undefined ? {} : { listed }),
          ...(expiries === undefined ? {} : { expiries }),
        }
      },
      isConjur: main.isConjur,
      tokenOutput: tokenFile(config.accessTokenFile),
      outputs: [
        ...(groups.length === 0
          ? []
          : [secretFiles({ ...config, groups, directory: config.secretsDirectory })]),
        ...secrets,
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
      send: surroundings.measured('reload', main.toPlatform),
      clock: surroundings.clock,
      onReloaded: surroundings.reloaded,
    }),
    async close() {
      await Promise.all(senders.map((sender) => sender.close()))
    },
  }
}

/** The same output, its reports under a prefix: Secrets of two namespaces may have one name. */
function named(prefix: string, output: KubernetesSecrets): KubernetesSecrets {
  return {
    ...output,
    async publish(snapshot, signal) {
      const published = await output.publish(snapshot, signal)
      return published.map((each) => ({ ...each, name: prefix + each.name }))
    },
  }
}

interface Wires {
  readonly surroundings: Surroundings
  /** Where every sender is kept that is to be closed at the end. */
  readonly senders: Sender[]
}

/** Everything that talks to one Conjur and to the platform that vouches for us there. */
function connect(
  { conjur, identity }: Pick<AgentConfig, 'conjur' | 'identity'>,
  { surroundings, senders }: Wires,
): Omit<ConnectionParts, 'clock'> & {
  readonly list: (token: AccessToken, signal: AbortSignal) => Promise<readonly ListedVariable[]>
  readonly toPlatform: Send
} {
  const opened = (options: SendOptions): Sender => {
    const sender = createSender(options)
    senders.push(sender)
    return sender
  }
  const remote = { connectTimeoutMs: REMOTE_CONNECT_MS, proxy: conjur.proxy }
  const { send, connectAhead } = opened({ ca: () => readCa(conjur.ca), ...remote })
  const toConjur: Send = async (request) => {
    try {
      return await send(request)
    } catch (error) {
      // If the CA is broken inside, it is that which is told.
      if (error instanceof SendFailure) await examineCa(conjur.ca)
      throw error
    }
  }
  const { send: toPlatform } = opened({ connectTimeoutMs: LOCAL_CONNECT_MS })
  const { send: toInternet } = opened(remote)
  let isAhead = false
  // While the platform answers for the first time, the connection is opened on which its answer goes on to Conjur.
  const vouching =
    (send: Send): Send =>
    (request) => {
      if (!isAhead) connectAhead(conjur.authnBaseUrl)
      isAhead = true
      return send(request)
    }
  const place: Place = { applianceUrl: conjur.applianceUrl, account: conjur.account }
  const readers = followersOf([conjur.applianceUrl, ...conjur.followers], surroundings)
  const isOneList =
    [conjur.authnBaseUrl, ...conjur.authnFollowers].join(' ') ===
    [conjur.applianceUrl, ...conjur.followers].join(' ')
  const doors = isOneList
    ? readers
    : followersOf([conjur.authnBaseUrl, ...conjur.authnFollowers], surroundings)
  const toLogin = doors.through(surroundings.measured('authenticate', toConjur))
  const reading = {
    send: readers.through(surroundings.measured('retrieve', toConjur)),
    place,
    timeoutMs: conjur.timeoutMs,
    now: () => surroundings.clock.now(),
  }
  const logins = {
    ...reading,
    send: toLogin,
    place: { ...place, applianceUrl: conjur.authnBaseUrl },
    authenticator: conjur.authenticator,
    login: conjur.login,
  }
  return {
    identity: createSource(identity.source, {
      clock: surroundings.clock,
      random: surroundings.random,
      budgetMs: identity.budgetMs,
      onRetry: surroundings.identityRetry,
      toPlatform: surroundings.measured('platform', vouching(toPlatform)),
      toInternet: surroundings.measured('platform', vouching(toInternet)),
      toConjur: toLogin,
      toTokenProxy: ({ ca, serverName }) => {
        const options = { ca: () => readTokenProxyCa(ca), serverName, ...remote }
        return surroundings.measured('platform', vouching(opened(options).send))
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
    ...byOneServer(
      {
        retrieve: (token, variableIds, signal) => retrieve(reading, token, { variableIds, signal }),
        isConjur: (token, signal) => isConjur(reading, token, signal),
      },
      readers.switches,
    ),
    list: (token, signal) => listVariables(reading, token, signal),
    toPlatform,
  }
}

/** One choice of server for everything that is asked of the same addresses. */
function followersOf(
  servers: readonly [URL, ...URL[]],
  { clock, random, switched }: Surroundings,
): Followers {
  return createFollowers({
    servers,
    now: () => clock.monotonic(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    random,
    onSwitch: switched,
  })
}
