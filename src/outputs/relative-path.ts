/**
 * Why a file may not have this path below the secrets directory; undefined if it may.
 *
 * Parts that begin with two dots would leave the volume or collide with its own `..data` and `..N`.
 */
export function pathProblem(path: string): string | undefined {
  if (path === '') return 'is empty'
  if (path.includes('\0')) return 'holds a NUL byte'
  if (path.startsWith('/')) return 'is absolute; paths are relative to the secrets directory'
  for (const part of path.split('/')) {
    if (part === '') return 'has an empty part'
    if (part === '.') return 'has a part that is a single dot'
    if (part.startsWith('..')) return 'has a part that begins with ".."'
    if (Buffer.byteLength(part) > 255) return 'has a part longer than 255 bytes'
  }
  return undefined
}

/** Pairs of paths that cannot stand beside each other: the same one, or a file where another needs a directory. */
export function pathClashes(paths: readonly string[]): (readonly [string, string])[] {
  const sorted = paths.toSorted()
  const clashes: (readonly [string, string])[] = []
  const seen = new Set<string>()
  for (const path of sorted) {
    if (seen.has(path)) clashes.push([path, path])
    for (const parent of parents(path)) if (seen.has(parent)) clashes.push([parent, path])
    seen.add(path)
  }
  return clashes
}

/** The directories above a relative path, outermost first: `a/b/c` has `a` and `a/b`. */
export function parents(path: string): string[] {
  const above: string[] = []
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
    above.push(path.slice(0, at))
  }
  return above
}
