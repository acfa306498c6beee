import { afterEach, describe, expect, test } from 'vitest'
import { startDevserver } from '../../src/devserver/server.ts'
import { differences } from './compare.ts'
import { recorded, type Exchange } from './recorded.ts'
import { startIssuers, type Issuers } from './recorded-issuers.ts'
import { replay, type Stage } from './sender.ts'

const record = recorded()

/** What is not answered alike, with the reason; everything else is. */
const notReproduced: Readonly<Record<string, string>> = {}

/** Exchanges whose state the set-up gives; the others follow in groups of their own. */
const plain = record.exchanges.filter(({ needs }) => needs === undefined)
const needing = (state: string): readonly Exchange[] =>
  record.exchanges.filter(({ needs }) => needs?.includes(state) === true)

describe('a recorded exchange with a real Conjur is answered alike by the devserver', () => {
  const open: { close(): Promise<void> }[] = []

  afterEach(async () => {
    for (const each of open.splice(0)) await each.close()
  })

  const stageFor = async (
    options: { issuers?: Issuers | 'recorded' | 'away'; ttl?: number; at?: () => number } = {},
  ): Promise<{ stage: Stage; log: string[] }> => {
    const log: string[] = []
    let ahead = 0
    const now = (): number => (options.at?.() ?? Date.now()) + ahead
    const rewrite =
      typeof options.issuers === 'object' ? options.issuers.rewrite : (text: string) => text
    const server = await startDevserver({
      account: 'myaccount',
      policy: record.policy,
      values: values(rewrite),
      authenticators: record.variables.enabledAuthenticators,
      clock: now,
      log: (line) => log.push(line),
      ...(options.ttl === undefined ? {} : { tokenTtlSeconds: options.ttl }),
      ...(typeof options.issuers === 'string' ? { askIssuer: issuerFrom(options.issuers) } : {}),
    })
    open.push(server)
    return {
      stage: { server, record, rewrite, now, wait: (seconds) => (ahead += seconds * 1000) },
      log,
    }
  }

  const verdict = async (
    { stage, log }: { stage: Stage; log: string[] },
    exchange: Exchange,
    mode: 'verbatim' | 'renewed',
  ): Promise<string[]> => {
    const from = log.length
    const reply = await replay(stage, exchange, mode)
    const rewritten = rewrittenExchange(exchange, stage.rewrite)
    return differences(rewritten, reply, log.slice(from)).map((each) => `${exchange.id}: ${each}`)
  }

  test('verbatim, JWTs as they were, on a clock that stands at the recorded second', async () => {
    let at = 0
    const staged = await stageFor({ issuers: 'recorded', at: () => at })
    const found: string[] = []

    for (const exchange of plain) {
      at = Date.parse(exchange.recordedAt)
      found.push(...(await verdict(staged, exchange, 'verbatim')))
    }

    expect(found).toEqual([])
  })

  test('renewed, against issuers over HTTP and HTTPS, JWTs minted at the moment of sending', async () => {
    const issuers = await startIssuers(record)
    open.push(issuers)
    const staged = await stageFor({ issuers })
    const found: string[] = []

    for (const exchange of plain) found.push(...(await verdict(staged, exchange, 'renewed')))

    expect(found).toEqual([])
  })

  test('renewed, where access tokens live for three seconds', async () => {
    const issuers = await startIssuers(record)
    open.push(issuers)
    const staged = await stageFor({ issuers, ttl: 3 })
    const found: string[] = []

    for (const exchange of needing('ttl:3'))
      found.push(...(await verdict(staged, exchange, 'renewed')))

    expect(found).toEqual([])
  })

  test('renewed, where the issuers go away: cached keys serve on, missing ones refuse', async () => {
    const issuers = await startIssuers(record)
    const [first] = record.exchanges.filter(({ id }) => id === 'authn-azure/user-assigned-identity')
    const warm = await stageFor({ issuers })
    if (first !== undefined) await replay(warm.stage, first, 'renewed')
    await issuers.close()
    const cold = await stageFor({ issuers })
    const found: string[] = []

    for (const exchange of needing('provider-down')) {
      const staged = exchange.needs?.includes('keys-not-cached') === true ? cold : warm
      found.push(...(await verdict(staged, exchange, 'renewed')))
    }

    expect(found).toEqual([])
  })

  test('renewed, where the database goes away and comes back', async () => {
    const staged = await stageFor({ issuers: 'recorded' })
    const tokens = needing('database-down')
    const found: string[] = []

    for (const exchange of tokens) found.push(...(await whileDown(staged, exchange)))
    for (const exchange of needing('database-back'))
      found.push(...(await verdict(staged, exchange, 'renewed')))

    expect(found).toEqual([])
  })

  /** The token is had before the database goes away. */
  const whileDown = async (
    staged: { stage: Stage; log: string[] },
    exchange: Exchange,
  ): Promise<string[]> => {
    const { faults } = staged.stage.server
    faults.add({ kind: 'error', path: exchange.request.path })
    const found = await verdict(staged, exchange, 'renewed')
    faults.clear()
    return found
  }

  test('nothing is left out but what is named here', () => {
    const covered = [
      ...plain,
      ...['ttl:3', 'provider-down', 'database-down', 'database-back'].flatMap(needing),
    ]

    const missing = record.exchanges.filter((exchange) => !covered.includes(exchange))

    expect(missing.map(({ id }) => id)).toEqual(Object.keys(notReproduced))
  })
})

function values(rewrite: (text: string) => string): Record<string, string | Buffer> {
  return Object.fromEntries(
    Object.entries(record.variables.values).map(([id, value]) => [
      id,
      typeof value === 'string' ? rewrite(value) : Buffer.from(value.base64, 'base64'),
    ]),
  )
}

function issuerFrom(state: 'recorded' | 'away') {
  return async (address: string): Promise<{ status: number; body: string }> => {
    const path = address.replace(/([^:])\/{2,}/g, '$1/')
    const found = record.issuers.find(({ url }) => url === path)
    if (state === 'away' || found === undefined) {
      const { hostname, port } = new URL(address)
      throw new Error(
        `Failed to open TCP connection to ${hostname}:${port} (Connection refused - connect(2) for "${hostname}" port ${port})`,
      )
    }
    return { status: 200, body: JSON.stringify(found.body) }
  }
}

function rewrittenExchange(exchange: Exchange, rewrite: (text: string) => string): Exchange {
  const { body } = exchange.response
  return {
    ...exchange,
    response: { ...exchange.response, ...(body === undefined ? {} : { body: rewrite(body) }) },
    serverLog: exchange.serverLog?.map(rewrite) ?? [],
  }
}
