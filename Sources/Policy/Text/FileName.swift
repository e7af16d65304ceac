// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The name of a file, as a number: every value of a policy has a place, and copying a place must not count references.
struct FileName: Sendable, Hashable {
    private let number: UInt32

    /// The names that this process has met; a policy has a thousand files at most.
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
