// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage

/// The whole of an array that a call of the shim returns.
func listed<Element>(
    _ what: String,
    _ read: (UnsafeMutablePointer<UnsafeMutablePointer<Element>?>, UnsafeMutablePointer<Int>) -> Int32
) throws(HostError) -> [Element] {
    var list: UnsafeMutablePointer<Element>?
    var count = 0
    defer { unsafe free(list) }
    let error = unsafe read(&list, &count)
    guard error >= 0 else { throw HostError("cannot list \(what): \(Errno(rawValue: -error))") }
    return unsafe Array(UnsafeBufferPointer(start: list, count: count))
}
