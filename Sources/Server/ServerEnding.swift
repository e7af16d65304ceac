// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// Ends the answers that go on when the server does.
final class ServerEnding: Sendable {
    private struct State {
        var hasBegun = false
        var next = 0
        var channels: [Int: any Channel] = [:]
    }

    private let state = Mutex(State())

    var hasBegun: Bool { state.withLock { $0.hasBegun } }

    func add(_ channel: any Channel) -> Int {
        state.withLock { state in
            state.next += 1
            state.channels[state.next] = channel
            return state.next
        }
    }

    func remove(_ number: Int) { state.withLock { _ = $0.channels.removeValue(forKey: number) } }

    func begin() {
        let channels = state.withLock { state in
            state.hasBegun = true
            return Array(state.channels.values)
        }
        for channel in channels { channel.close(promise: nil) }
    }
}
