import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeCertificate } from '../../src/devserver/certificate.ts'
import { integer, oid, time } from '../../src/devserver/der.ts'

test('the CA signs itself and the leaf, and may sign nothing below that', () => {
  const made = makeCertificate([])

  const ca = new X509Certificate(made.ca)
  const leaf = new X509Certificate(made.certificate)

  expect(ca.ca).toBe(true)
  expect(leaf.ca).toBe(false)
  expect(ca.verify(ca.publicKey)).toBe(true)
  expect(leaf.verify(ca.publicKey)).toBe(true)
  expect(leaf.checkIssued(ca)).toBe(true)
  expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
})

test('the leaf names localhost, both loopback addresses and what it was asked to', () => {
  const leaf = new X509Certificate(
    makeCertificate(['conjur.test', '10.0.0.7', 'fd00::1:2']).certificate,
  )

  for (const name of ['localhost', 'conjur.test']) expect(leaf.checkHost(name)).toBe(name)
  for (const address of ['127.0.0.1', '::1', '10.0.0.7', 'fd00::1:2'])
    expect(leaf.checkIP(address)).toBe(address)
  expect(leaf.checkHost('example.com')).toBeUndefined()
})

test('two starts have nothing in common', () => {
  const [one, other] = [makeCertificate([]), makeCertificate([])]

  expect(one.ca).not.toBe(other.ca)
  expect(new X509Certificate(one.ca).serialNumber).not.toBe(
    new X509Certificate(other.ca).serialNumber,
  )
})

test('numbers, names and moments are encoded as the standard has it', () => {
  expect(integer(Buffer.from([0x80])).toString('hex')).toBe('02020080')
  expect(oid('1.2.840.10045.4.3.2').toString('hex')).toBe('06082a8648ce3d040302')
  expect(time(new Date('2026-11-25T01:02:03.456Z')).toString('latin1')).toBe(
    '\x17\x0d261125010203Z',
  )
  expect(time(new Date('2050-01-01T00:00:00Z')).toString('latin1')).toBe('\x18\x0f20500101000000Z')
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 28 }), (arc) => {
      const bytes = oid(`1.2.${arc}`).subarray(3)

      expect(bytes.reduce((sum, byte) => sum * 128 + (byte & 0x7f), 0)).toBe(arc)
    }),
  )
})
