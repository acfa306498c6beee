import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { makePlace } from '../../src/demo/place.ts'

test('the runtime directory is taken where it is in memory', async () => {
  const parent = await mkdtemp('/dev/shm/conjur-demo-test-')

  const { directory, inMemory } = await makePlace({ XDG_RUNTIME_DIR: parent })

  expect(dirname(directory)).toBe(parent)
  expect(inMemory).toBe(true)
  await rm(parent, { recursive: true })
})

test.each(['', '/nowhere', '/proc'])('a runtime directory %j is passed over', async (parent) => {
  const { directory } = await makePlace({ XDG_RUNTIME_DIR: parent })

  expect(dirname(directory)).not.toBe(parent)
  expect(existsSync(directory)).toBe(true)
  await rm(directory, { recursive: true })
})
