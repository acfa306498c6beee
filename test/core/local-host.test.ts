import { expect, test } from 'vitest'

import { isLocalHost, isPrivateHost } from '../../src/core/local-host.ts'

test.each([
  'localhost',
  '127.0.0.1',
  '127.1.2.3',
  '[::1]',
  '::1',
  '169.254.169.254',
  '169.254.170.23',
  '[fe80::1]',
  '[fd00:ec2::254]',
])('%s is this machine or its link', (host) => {
  expect(isLocalHost(host)).toBe(true)
})

test.each([
  '10.0.0.1',
  '169.255.0.1',
  'localhost.example.com',
  '127.0.0.1.example.com',
  '[fd00::1]',
  '[2001:db8::1]',
  '128.0.0.1',
  '',
])('%s is somewhere else', (host) => {
  expect(isLocalHost(host)).toBe(false)
})

test.each([
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.1',
  '192.168.1.1',
  '[fd12::1]',
  '127.0.0.1',
  'localhost',
])('%s is private', (host) => {
  expect(isPrivateHost(host)).toBe(true)
})

test.each([
  '172.15.0.1',
  '172.32.0.1',
  '192.169.0.1',
  '11.0.0.1',
  '[2001:db8::1]',
  'metadata.internal',
  '10.example.com',
])('%s is not private', (host) => {
  expect(isPrivateHost(host)).toBe(false)
})
