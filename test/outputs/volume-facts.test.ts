import { statfsSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { demandMemory, volumeFacts } from '../../src/outputs/volume-facts.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

test('a directory that is not there can take nothing', () => {
  expect(volumeFacts(join(temporaryVolume(), 'gone'))).toEqual({
    fileSystem: 'absent',
    isWritable: false,
    freeBytes: 0,
  })
})

test('P5 /proc is no memory, and is not taken for it', () => {
  const { type } = statfsSync('/proc')

  expect(volumeFacts('/proc').fileSystem).toBe('other')
  expect(() => demandMemory('/proc')).toThrow(
    expect.objectContaining({
      code: 'OUTPUT_NOT_TMPFS',
      message: '/proc is not in memory (file system type 0x9fa0), and requireTmpfs is true',
      hint: 'mount an emptyDir with medium: Memory at /proc, or set CONJUR_REQUIRE_TMPFS=warn',
      facts: { directory: '/proc', type },
    }),
  )
})

test('memory is known by its type, and its room in bytes', () => {
  const { bavail, bsize } = statfsSync('/dev/shm')
  const { fileSystem, isWritable, freeBytes } = volumeFacts('/dev/shm')

  expect([fileSystem, isWritable]).toEqual(['tmpfs', true])
  expect(String(freeBytes).length).toBeGreaterThan(String(bavail).length)
  expect(freeBytes % bsize).toBe(0)
  expect(() => demandMemory('/dev/shm')).not.toThrow()
})

test('what may be read and not written is not writable', () => {
  // A file is no directory: nobody may go into it, whoever asks.
  expect(volumeFacts('/proc/self/status').isWritable).toBe(false)
})
