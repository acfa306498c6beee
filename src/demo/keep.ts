import { join } from 'node:path'
import type { OnStage } from './jwt-scene.ts'
import { AUDIENCE } from './policy.ts'
import type { Stage } from './stage.ts'
import { StepFailed } from './until.ts'

/** How the reader types the demo and the program. */
export interface Typed {
  readonly demo: string
  readonly program: string
}

/** The kubelet writes a projected token anew at 80 % of its hour. */
const PROJECT_AGAIN_MS = 48 * 60_000

/** Shows where everything is, and lets it run until the signal. */
export async function keepRunning(
  stage: Stage,
  { agent }: OnStage,
  { program }: Typed,
): Promise<void> {
  const { screen, conjur, kubernetes, directory, signal } = stage
  screen.done('files', agent.secrets)
  screen.done('Conjur', `${conjur.url}, CA in ${conjur.caFile}`)
  screen.done('admin', `API key in ${conjur.adminApiKeyFile}`)
  screen.line()
  screen.next(`cat ${join(agent.secrets, 'db.json')}`)
  screen.next(`${program} status --status-directory ${join(directory, 'web', 'status')}`)
  screen.next('everything runs until Ctrl-C')
  const again = setInterval(() => {
    void kubernetes.project(join(directory, 'web', 'projected-token'), AUDIENCE)
  }, PROJECT_AGAIN_MS)
  try {
    await Promise.race([
      aborted(signal),
      ...[conjur.running, agent.running].map(async ({ name, ended }) => {
        await ended
        // Ctrl-C reaches them too, and may reach them first.
        if (!signal.aborted) throw new StepFailed('keep', `the ${name} ended by itself`)
      }),
    ])
  } finally {
    clearInterval(again)
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}
