/** One key of a Kubernetes Secret and the variable that fills it. */
export interface MapEntry {
  readonly key: string
  readonly variableId: string
  readonly contentType: 'text' | 'base64'
}

/** The key of a Secret that holds its map; never written. */
export const MAP_KEY = 'conjur-map'

/** Whether a name can be a key of a Secret that we fill. */
export function isKey(name: string): boolean {
  return (
    /^[-._a-zA-Z\d]{1,253}$/.test(name) &&
    !name.startsWith('..') &&
    name !== '.' &&
    name !== MAP_KEY
  )
}

/** A path as a key: what no key may hold becomes a dot, as the incumbent writes it. */
export function keyOf(path: string): string {
  return path.replaceAll(/[^-._a-zA-Z\d]/g, '.')
}
