// SPDX-License-Identifier: Apache-2.0
import CNetlink
import Glibc
import SystemPackage

/// A call of the shim that returns an array.
typealias ListCall<Element> = (UnsafeMutablePointer<UnsafeMutablePointer<Element>?>, UnsafeMutablePointer<Int>) -> Int32

/// The whole of an array that a call of the shim returns. More than it may hold is an error.
func listed<Element>(_ what: String, _ read: ListCall<Element>) throws(HostError) -> [Element] {
    var cut: [String] = []
    let elements = try unsafe listed(what, notingIn: &cut, read)
    guard cut.isEmpty else {
        throw HostError(
            "there are more than \(BULKHEAD_LIST_MAX) \(what)",
            advice: "see who fills the network namespace; no more are read")
    }
    return elements
}

/// An array that a call of the shim returns, or the beginning of it.
///
/// - Parameter cut: Gets `what` where there is more.
func listed<Element>(
    _ what: String, notingIn cut: inout [String], _ read: ListCall<Element>
) throws(HostError) -> [Element] {
    var list: UnsafeMutablePointer<Element>?
    var count = 0
    defer { unsafe free(list) }
    let error = unsafe read(&list, &count)
    guard error >= 0 else { throw HostError("cannot list \(what): \(Errno(rawValue: -error))") }
    if error == BULKHEAD_CUT { cut.append(what) }
    return unsafe Array(UnsafeBufferPointer(start: list, count: count))
}
