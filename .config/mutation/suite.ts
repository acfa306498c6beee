import { setTimeout as sleep } from 'node:timers/promises'

/** What the tests import as `vitest` while mutants are tried: the same words, run in this process, any number of times. */
export { expect } from 'vitest'

export const vi = {
  async waitFor(check: () => unknown, { timeout = 1000 } = {}): Promise<void> {
    for (const until = performance.now() + timeout; ; await sleep(20)) {
      try {
        await check()
        return
      } catch (failure) {
        if (performance.now() > until) throw failure
      }
    }
  },
}

type Body = (...given: readonly unknown[]) => unknown

interface Group {
  readonly name: string
  readonly parent: Group | undefined
  readonly before: Body[]
  readonly after: Body[]
}

/** A test as it was declared. */
export interface Declared {
  readonly id: string
  readonly body: () => Promise<void>
}

let group: Group = { name: '', parent: undefined, before: [], after: [] }
let declared: Declared[] = []
let closing: Body[] = []

/** The tests of a file: what its import declares. */
export async function declaredBy(file: string, load: () => Promise<unknown>): Promise<Declared[]> {
  declared = []
  group = { name: file, parent: undefined, before: [], after: [] }
  await load()
  return declared
}

/** A function to run when the test that is running ends. */
export function onTestFinished(body: Body): void {
  closing.push(body)
}

export const beforeEach = (body: Body): void => void group.before.push(body)
export const afterEach = (body: Body): void => void group.after.unshift(body)
/** Once in the life of this process: a test that runs again finds what was made. */
export const beforeAll = (body: Body): void => {
  let made: Promise<unknown> | undefined
  group.before.push(() => (made ??= Promise.resolve(body())))
}
/** Never: the process that made it ends. */
export const afterAll = (_body: Body): void => undefined

export const describe = withVariants((name, body) => {
  const outer = group
  group = { name: `${outer.name} > ${name}`, parent: outer, before: [], after: [] }
  body()
  group = outer
})
export const test = withVariants((name, body) => {
  const around = group
  // Named by what stands in the file, so that it has the same name in every process.
  const id = `${around.name} > ${name} #${declared.length}`
  declared.push({ id, body: () => runAround(around, body) })
})

async function runAround(around: Group, body: Body): Promise<void> {
  const groups: Group[] = []
  for (let at: Group | undefined = around; at !== undefined; at = at.parent) groups.unshift(at)
  closing = []
  const failures: unknown[] = []
  const attempt = async (step: Body): Promise<boolean> => {
    try {
      await step()
      return true
    } catch (failure) {
      failures.push(failure)
      return false
    }
  }
  let going = true
  for (const step of groups.flatMap(({ before }) => before)) going &&= await attempt(step)
  if (going) await attempt(body)
  for (const step of groups.toReversed().flatMap(({ after }) => after)) await attempt(step)
  for (const step of closing.toReversed()) await attempt(step)
  if (failures.length > 0) throw failures[0]
}

type Declare = (name: string, body: Body) => void

interface Variants {
  (name: string, ...rest: readonly unknown[]): void
  each(rows: readonly unknown[]): (name: string, ...rest: readonly unknown[]) => void
  skipIf(condition: unknown): Variants
}

function withVariants(declare: Declare): Variants {
  const one = (name: string, ...rest: readonly unknown[]): void => declare(name, bodyOf(rest))
  return Object.assign(one, {
    each:
      (rows: readonly unknown[]) =>
      (name: string, ...rest: readonly unknown[]): void => {
        for (const row of rows) {
          const given: readonly unknown[] = Array.isArray(row) ? row : [row]
          const body = bodyOf(rest)
          declare(name, () => body(...given))
        }
      },
    skipIf: (condition: unknown): Variants =>
      condition ? withVariants(() => undefined) : withVariants(declare),
  })
}

function bodyOf(rest: readonly unknown[]): Body {
  const found = rest.find((one) => typeof one === 'function')
  return (...given) => found?.(...given)
}
