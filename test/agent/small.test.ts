import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const small = join(import.meta.dirname, '../../src/agent/small.ts')

/** Runs a process that drops a large object after `told` passes and then only waits; tells whether it went. */
function fate(told: number): string {
  const script = `
    import { staySmall } from ${JSON.stringify(small)}
    const tell = staySmall()
    let large = { items: Array.from({ length: 200_000 }, (_, index) => ({ index })) }
    const gone = new WeakRef(large)
    large = undefined
    setTimeout(() => {
      for (let pass = 0; pass < ${told}; pass++) tell()
      let looks = 0
      const look = setInterval(() => {
        if (gone.deref() !== undefined && ++looks < 50) return
        clearInterval(look)
        process.stdout.write(gone.deref() === undefined ? 'collected' : 'kept')
      }, 20)
    }, 20)
  `
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  })
  return stdout
}

test('a process that waits after its first pass lets go of what only the start needed', () => {
  expect(fate(1)).toBe('collected')
})

test('a process that has made no pass yet is left to the engine', () => {
  expect(fate(0)).toBe('kept')
})

test('no code of such a process is compiled, however often it runs: each compiler would keep memory', () => {
  const script = `
    import { staySmall } from ${JSON.stringify(small)}
    staySmall()
    const hot = (number) => (number % 7) + 1
    let sum = 0
    for (let turn = 0; turn < 1_000_000; turn++) sum += hot(turn)
    process.stdout.write(String(%ActiveTierIsIgnition(hot)))
  `
  const { stdout } = spawnSync(
    process.execPath,
    ['--allow-natives-syntax', '--input-type=module', '--eval', script],
    { encoding: 'utf8' },
  )
  expect(stdout).toBe('true')
})
