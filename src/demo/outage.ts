import type { Agent, LogLine } from './agent.ts'
import { isSame, requireWhole, type Look, type Playing } from './playing.ts'
import { readToken, tokenExpiry } from './reader.ts'
import { pause, StepFailed } from './until.ts'
import { lookAt } from './volume.ts'
import { seconds } from './words.ts'

/** So long before the renewal is due Conjur goes away. */
const BEFORE_RENEWAL_MS = 500

/** Conjur is away when the access token must be renewed, and comes back while the old one still lives. */
export async function renewThroughOutage(playing: Playing): Promise<void> {
  const { stage, agent } = playing
  const { renewsAt, expiresAt, lifeMs } = agent.status()
  if (renewsAt === undefined || expiresAt === undefined) {
    throw new StepFailed('renew', 'the agent names no time of renewal')
  }
  const before: Before = {
    look: lookAt(agent.secrets),
    tokenEndsAt: tokenExpiry(await readToken(agent.secrets)) ?? 0,
  }
  await stage.screen.waiting(
    'the access token gets older',
    pause(renewsAt - BEFORE_RENEWAL_MS - Date.now(), stage.signal),
  )
  await stage.conjur.goAway()
  const share = Math.round(100 * (1 - (expiresAt - renewsAt) / lifeMs))
  await seeRetries(playing, { dueAt: renewsAt, share })
  await stage.conjur.comeBack()
  await seeRecovery(playing, before)
}

/** What the agent says of its renewal: when it is due, and at how many per cent of the token's life. */
interface Renewal {
  readonly dueAt: number
  readonly share: number
}

async function seeRetries(
  { stage, agent, tell }: Playing,
  { dueAt, share }: Renewal,
): Promise<void> {
  const retry = (nth: number): Promise<LogLine> =>
    agent.until({
      step: 'outage',
      otherwise: 'the agent did not try to renew its access token again',
      withinMs: 8000,
      look: () => retriesSince(agent, dueAt)[nth],
    })
  const first = await retry(0)
  tell('renew', `access token at ${share} % of its life: renewal is due`)
  const second = await stage.screen.waiting('Conjur answers 503', retry(1))
  tell(
    'outage',
    `Conjur answers ${String(first['status'])}; again in ${waitOf(first)}, then ${waitOf(second)}; last set stays`,
  )
}

/** What was on the volume before Conjur went away. */
interface Before {
  readonly look: Look
  readonly tokenEndsAt: number
}

async function seeRecovery(
  { stage, agent, reader, tell }: Playing,
  { look: before, tokenEndsAt }: Before,
): Promise<void> {
  const spareMs = await stage.screen.waiting(
    'Conjur is back',
    agent.until({
      step: 'recover',
      otherwise: 'the access token was not renewed',
      withinMs: 8000,
      async look() {
        const renewed = tokenExpiry(await readToken(agent.secrets)) ?? 0
        return renewed > tokenEndsAt ? tokenEndsAt - Date.now() : undefined
      },
    }),
  )
  const after = lookAt(agent.secrets)
  const touched = ['..data', 'db.json', 'api-key'].filter((name) => !isSame(name, before, after))
  if (touched.length > 0) throw new StepFailed('recover', `${touched.join(', ')} was touched`)
  const { expired } = requireWhole(reader, 'recover')
  if (expired > 0) {
    throw new StepFailed('recover', `a reader found an expired access token ${expired} times`)
  }
  tell(
    'recover',
    `access token renewed with ${seconds(spareMs)} to spare; files untouched, no reader noticed`,
  )
}

function retriesSince(agent: Agent, at: number): readonly LogLine[] {
  return agent
    .log()
    .filter(({ time, waitMs }) => typeof waitMs === 'number' && Date.parse(String(time)) >= at)
}

function waitOf({ waitMs }: LogLine): string {
  return seconds(typeof waitMs === 'number' ? waitMs : 0)
}
