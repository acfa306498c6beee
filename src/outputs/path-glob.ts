/**
 * Whether a glob fits a whole path: `*` stands for anything within a part of it, `**` for anything
 * across parts, and a part that is `**` for no part too.
 *
 * Walks the ends that the glob reaches, one piece after the other: a regular expression would take
 * a time without bound for some globs, and whoever may write a Secret may write those.
 */
export function fitsGlob(glob: string, path: string): boolean {
  let ends: ReadonlySet<number> = new Set([0])
  for (const piece of glob.split(/((?<![^/])\*\*\/|\*\*|\*)/)) {
    if (piece !== '') ends = advance(piece, path, ends)
  }
  return ends.has(path.length)
}

function advance(piece: string, path: string, ends: ReadonlySet<number>): ReadonlySet<number> {
  const reached = new Set<number>()
  for (const end of ends) {
    switch (piece) {
      case '*':
        for (let at = end; !reached.has(at) && at <= path.length; at++) {
          reached.add(at)
          if (path[at] === '/') break
        }
        break
      case '**':
        for (let at = end; !reached.has(at) && at <= path.length; at++) reached.add(at)
        break
      case '**/':
        reached.add(end)
        for (let at = end; at < path.length; at++) if (path[at] === '/') reached.add(at + 1)
        break
      default:
        if (path.startsWith(piece, end)) reached.add(end + piece.length)
    }
  }
  return reached
}
