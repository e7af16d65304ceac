// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A file's name as a number. Every value of a policy has a location, and copying one must not touch a reference count.
struct FileName: Sendable, Hashable {
    private let number: UInt32

    /// The names seen by this process. The table only grows, but a policy has at most a thousand files.
    private struct Table {
        var names: [String] = []
        var numbers: [String: UInt32] = [:]
    }

    private static let table = Mutex(Table())

    init(_ text: String) {
        number = FileName.table.withLock { table in
            if let known = table.numbers[text] { return known }
            let number = UInt32(table.names.count)
            table.numbers[text] = number
            table.names.append(text)
            return number
        }
    }

    var text: String { FileName.table.withLock { $0.names[Int(number)] } }
}
