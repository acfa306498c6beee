import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseRecord } from '../core/json.ts'
import { firstSet, startAgent, type Agent } from './agent.ts'
import { stopAgent } from './ending.ts'
import { renewThroughOutage } from './outage.ts'
import { isSame, requireWhole, type Playing } from './playing.ts'
import { AUDIENCE, HOST, REVOKE_API_KEY, someValue, type Values } from './policy.ts'
import { startReader, type Generation } from './reader.ts'
import type { Stage } from './stage.ts'
import { drawTree } from './tree.ts'
import { pause, StepFailed } from './until.ts'
import { lookAt } from './volume.ts'
import { count, firstSetText } from './words.ts'

/** An agent that has published its first set, and since when (of `performance.now()`). */
export interface OnStage {
  readonly agent: Agent
  readonly since: number
}

/** Starts the agent with a projected token, waits for its first set, and draws the volume. */
export async function openJwtScene(stage: Stage): Promise<OnStage> {
  const { screen, kubernetes, conjur } = stage
  const directory = join(stage.directory, 'web')
  const tokenPath = join(directory, 'projected-token')
  await mkdir(directory)
  await kubernetes.project(tokenPath, AUDIENCE)
  const begun = performance.now()
  const agent = await startAgent({
    ...stage,
    directory,
    authenticator: 'authn-jwt/demo',
    login: HOST,
    environment: { ...stage.environment, JWT_TOKEN_PATH: tokenPath },
  })
  const ms = await screen.waiting('waiting for the first set', firstSet(agent, begun))
  screen.done('agent', firstSetText(ms, await conjur.counts()))
  screen.line()
  for (const line of drawVolume(stage, agent)) screen.line(`  ${line}`)
  screen.line()
  return { agent, since: performance.now() }
}

/** Rotation, renewal through an outage, revocation and the end, each as it happens. */
export async function playJwtScene(stage: Stage, { agent, since }: OnStage): Promise<void> {
  const reader = startReader(agent.secrets, generationOf(stage.values))
  const tell: Playing['tell'] = (name, text) =>
    stage.screen.event((performance.now() - since) / 1000, name, text)
  const playing: Playing = { stage, agent, reader, tell }
  try {
    await pause(ROTATE_AFTER_MS, stage.signal)
    const values = await rotate(playing)
    await renewThroughOutage(playing)
    await revoke(playing, values)
    requireWhole(reader, 'revoke')
  } finally {
    await reader.stop()
  }
  const { ms, left, temporary } = await stopAgent(agent)
  tell(
    'stop',
    `SIGTERM; gone after ${Math.round(ms)} ms; ${count(left, 'file', 'files')} left, ${temporary} temporary`,
  )
}

const ROTATE_AFTER_MS = 2000
/** Until what the devserver records has reached us; far less than from one pass to the next. */
const RECORD_MS = 100

function drawVolume({ screen }: Stage, agent: Agent): readonly string[] {
  const { kinds, expiresAt } = agent.status()
  return drawTree(
    {
      directory: agent.secrets,
      entries: lookAt(agent.secrets).values(),
      kinds,
      tokenLeftMs: (expiresAt ?? Date.now()) - Date.now(),
    },
    screen.terminal.symbols,
  )
}

async function rotate({ stage, agent, reader, tell }: Playing): Promise<Values> {
  const values = { ...stage.values, password: someValue() }
  const before = lookAt(agent.secrets)
  reader.expect(generationOf(values))
  await stage.conjur.setValue('apps/web/db-password', values.password)
  tell('rotate', 'someone sets apps/web/db-password in Conjur')
  const after = await stage.screen.waiting(
    'waiting for the new value',
    agent.until({
      step: 'publish',
      otherwise: 'db.json does not hold the new value',
      withinMs: 10_000,
      async look() {
        return (await holds(agent.secrets, values.password)) ? lookAt(agent.secrets) : undefined
      },
    }),
  )
  const { reads, torn, mixed } = requireWhole(reader, 'publish')
  const untouched = isSame('api-key', before, after) ? 'untouched' : 'written again'
  const { to } = stage.screen.terminal.symbols
  tell(
    'publish',
    `..data ${to} ${after.get('..data')?.target}: db.json changed, api-key ${untouched}; of ${reads.toLocaleString('en')} reads ${torn} torn, ${mixed} mixed`,
  )
  return values
}

async function revoke({ stage, agent, reader, tell }: Playing, values: Values): Promise<void> {
  const { conjur, screen } = stage
  const before = lookAt(agent.secrets)
  reader.expect({ 'db.json': { user: values.user, password: values.password } })
  await conjur.changePolicy(REVOKE_API_KEY)
  const after = await screen.waiting(
    'api-key is no longer permitted',
    agent.until({
      step: 'revoke',
      otherwise: 'api-key is still there',
      withinMs: 10_000,
      look() {
        const now = lookAt(agent.secrets)
        return now.has('api-key') ? undefined : now
      },
    }),
  )
  await pause(RECORD_MS, stage.signal)
  const refusals = conjur.refusals('apps/web/api-key')
  if (refusals < 2) throw new StepFailed('revoke', `api-key was removed after ${refusals} refusal`)
  if (!isSame('db.json', before, after)) throw new StepFailed('revoke', 'db.json was touched')
  tell(
    'revoke',
    `${HOST} loses api-key: refused ${refusals === 2 ? 'twice' : `${refusals} times`}, api-key removed, db.json untouched`,
  )
}

function generationOf({ apiKey, user, password }: Values): Generation {
  return { 'api-key': apiKey, 'db.json': { user, password } }
}

/** Whether db.json holds this password. */
async function holds(secrets: string, password: string): Promise<boolean> {
  const text = await readFile(join(secrets, 'db.json'), 'utf8').catch(() => '')
  return parseRecord(text)?.['password'] === password
}
