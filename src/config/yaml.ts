/** Reads YAML text, every scalar as text. Rejects where it is none. */
export async function parseYaml(text: string): Promise<unknown> {
  const { parse } = await import('yaml')
  const value: unknown = parse(text, { schema: 'failsafe', maxAliasCount: 0 })
  return value
}
