import { patchManifests } from '../../src/injector/offline.ts'
import { contextWith, IMAGE, settingsWith } from '../injector/pods.ts'

/** What the injector has against manifests: every problem, every warning, and a pod that it skips though it opts in. */
export async function manifestFaults(text: string): Promise<readonly string[]> {
  // Pages may let a pod hibernate: their administrator has named the image for it.
  const agent = { ...(await settingsWith()).agent, hibernateImage: `${IMAGE}-hibernate` }
  const context = { ...(await contextWith({ agent })), namespace: 'shop' }
  const { verdicts, unreadable } = await patchManifests(text, context)
  const optsIn = /conjur\.org\/inject"?: *"?(true|yes)/.test(text)
  return [
    ...unreadable,
    ...verdicts.flatMap(({ verdict }) => [...verdict.problems, ...verdict.warnings]),
    ...(optsIn && !verdicts.some(({ verdict }) => verdict.outcome === 'injected')
      ? ['it opts in, and nothing is injected']
      : []),
  ]
}
