import { join } from 'node:path'
import type { OnStage } from './jwt-scene.ts'
import { AUDIENCE } from './policy.ts'
import type { Stage } from './stage.ts'
import { StepFailed } from './until.ts'

/** The kubelet writes a projected token anew at 80 % of its hour. */
const PROJECT_AGAIN_MS = 48 * 60_000

/** Shows what there is to look at, and lets everything run until the signal. */
export async function keepRunning(stage: Stage, { agent }: OnStage): Promise<void> {
  const { screen, conjur, kubernetes, directory, signal } = stage
  screen.done('files', agent.secrets)
  screen.done('Conjur', `${conjur.url}, CA in ${conjur.caFile}`)
  screen.done('admin', `API key in ${conjur.adminApiKeyFile}`)
  screen.done('status', join(directory, 'web', 'status', 'agent.json'))
  screen.line()
  screen.next('everything runs until Ctrl-C')
  const again = setInterval(() => {
    void kubernetes.project(join(directory, 'web', 'projected-token'), AUDIENCE)
  }, PROJECT_AGAIN_MS)
  try {
    await agent.until({
      step: 'keep',
      otherwise: 'nobody pressed Ctrl-C',
      withinMs: Number.POSITIVE_INFINITY,
      look() {
        if (conjur.running.exit() === undefined) return undefined
        throw new StepFailed('keep', 'the devserver ended by itself')
      },
    })
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    clearInterval(again)
  }
}
