import { Agent, request } from 'undici'
import { expect } from 'vitest'
import type { Devserver } from '../../src/devserver/server.ts'

/** Takes a variable of the usual policy from its readers, as an administrator does. */
export async function revoke(conjur: Devserver, variable: string): Promise<void> {
  const dispatcher = new Agent({ connect: { ca: conjur.ca } })
  const login = await request(`${conjur.url}/authn/acme/admin/authenticate`, {
    method: 'POST',
    body: conjur.adminApiKey,
    dispatcher,
  })
  const token = Buffer.from(await login.body.text()).toString('base64')
  const reply = await request(`${conjur.url}/policies/acme/policy/root`, {
    method: 'PATCH',
    headers: { Authorization: `Token token="${token}"` },
    body: `- !deny { role: !group apps/readers, privileges: [ read, execute ], resource: !variable apps/${variable} }\n`,
    dispatcher,
  })
  expect(reply.statusCode).toBe(201)
  await dispatcher.close()
}
