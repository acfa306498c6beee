import type { Operation } from '../../src/injector/patch.ts'

/** Applies RFC 6902 `add` operations the way the API server does: strictly, each on the result of the last. */
export function applyPatch<T>(document: T, operations: readonly Operation[]): T {
  const result = structuredClone(document)
  for (const { op, path, value } of operations) {
    if (op !== 'add') throw new Error(`${path}: no operation ${JSON.stringify(op)} is known here`)
    const parts = path
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = parts.pop()!
    let target: ReturnType<typeof JSON.parse> = result
    for (const part of parts) {
      if (target?.[part] === undefined) throw new Error(`${path}: there is no ${part}`)
      target = target[part]
    }
    const added = structuredClone(value)
    if (!Array.isArray(target)) {
      if (typeof target !== 'object' || target === null) throw new Error(`${path}: no object`)
      target[last] = added
    } else if (last === '-') target.push(added)
    else {
      const index = Number(last)
      if (!(index >= 0 && index <= target.length)) throw new Error(`${path}: out of range`)
      target.splice(index, 0, added)
    }
  }
  return result
}
