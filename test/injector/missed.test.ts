import { expect, test } from 'vitest'
import { missedPod } from '../../src/injector/missed.ts'
import { readPod } from '../../src/injector/pod.ts'
import { pod, reviewed, settingsWith } from './pods.ts'

async function missed(object: unknown, match: 'annotation' | 'label' = 'annotation') {
  const read = readPod(object)
  if (typeof read === 'string') throw new Error(read)
  return missedPod(read, await settingsWith({ match }))
}

const running = { name: 'web-1', namespace: 'shop', uid: 'u' }

test('an opted-in pod without the agent was missed', async () => {
  const object = pod({}, {}, running)
  object.metadata.annotations = { 'conjur.org/inject': 'true' }

  expect(await missed(object)).toEqual({
    ...running,
    why: 'it was created while the webhook was not called; delete it to have it made again',
  })
})

test('nor need a pod that opts in by label have annotations', async () => {
  const labels = { 'conjur.org/inject': 'true' }
  const metadata = { ...running, annotations: undefined, labels }

  expect(await missed(pod({}, {}, metadata), 'label')).toMatchObject(running)
})

test('an injected pod was not', async () => {
  const { pod: injected } = await reviewed(pod())

  expect(await missed(injected)).toBeUndefined()
})

test.each([
  ['did not opt in', { inject: undefined }, {}],
  ['opted out', { inject: 'no' }, {}],
  ['runs on Windows', {}, { os: { name: 'windows' } }],
])('a pod that %s was not', async (_, annotations, spec) => {
  expect(await missed(pod(annotations, spec))).toBeUndefined()
})

test('a pod where nothing is injected is told so', async () => {
  const object = pod()
  Object.assign(object.metadata, { ...running, namespace: 'kube-system' })

  expect((await missed(object))?.why).toBe('nothing is injected in kube-system')
})
