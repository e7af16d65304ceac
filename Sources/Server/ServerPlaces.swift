// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Who has how many connections open, so that no user keeps others out.
final class ServerPlaces: Sendable {
    /// One connection's.
    final class Place: Sendable {
        fileprivate let user: UInt32?
        fileprivate let isRefused: Bool
        fileprivate let bytes = Mutex(0)
        private let places: ServerPlaces

        fileprivate init(_ places: ServerPlaces, user: UInt32?, isRefused: Bool) {
            self.places = places
            self.user = user
            self.isRefused = isRefused
        }

        /// Takes room for a body.
        ///
        /// - Returns: whether there is some.
        func claim(_ count: Int) -> Bool {
            let isThere = places.state.withLock { state in
                guard state.bytes + count <= ServerPlaces.bodyBytes else { return false }
                state.bytes += count
                return true
            }
            if isThere { bytes.withLock { $0 += count } }
            return isThere
        }
    }

    private struct State {
        var users: [UInt32: Int] = [:]
        var refused = 0
        var bytes = 0
    }

    /// All users who are refused have so many together: one has as many numbers as a user namespace has.
    private static let refusedAtOnce = 8
    /// All bodies together.
    private static let bodyBytes = 128 << 20

    private let ofUser: Int?
    private let state = Mutex(State())

    init(ofUser: Int?) { self.ofUser = ofUser }

    /// - Parameter isRefused: Whether the user has come in vain, and is let in only to be told so.
    /// - Returns: nil if there is none left for this user.
    func take(of peer: Peer?, isRefused: Bool) -> Place? {
        state.withLock { state in
            if isRefused {
                guard state.refused < Self.refusedAtOnce else { return nil }
                state.refused += 1
            } else if let user = peer?.user {
                if let ofUser, user != 0, state.users[user, default: 0] >= ofUser { return nil }
                state.users[user, default: 0] += 1
            }
            return Place(self, user: peer?.user, isRefused: isRefused)
        }
    }

    func leave(_ place: Place) {
        let bytes = place.bytes.withLock { $0 }
        state.withLock { state in
            state.bytes -= bytes
            if place.isRefused {
                state.refused -= 1
            } else if let user = place.user {
                let left = state.users[user, default: 1] - 1
                state.users[user] = left > 0 ? left : nil
            }
        }
    }
}
