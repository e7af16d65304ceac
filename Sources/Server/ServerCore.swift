// SPDX-License-Identifier: Apache-2.0
import NIOPosix

/// What the connections of a server share.
struct ServerCore: Sendable {
    let address: ServerAddress
    let limits: ServerLimits
    let tally = ServerTally()
    let pool = NIOThreadPool(numberOfThreads: 1)
    /// For answers that go on.
    let streams: NIOThreadPool
    let ending = ServerEnding()
    let places: ServerPlaces
    let pages: any ServerPages

    init(_ address: ServerAddress, _ limits: ServerLimits, _ pages: any ServerPages) {
        self.address = address
        self.limits = limits
        self.pages = pages
        places = ServerPlaces(ofUser: limits.connectionsOfUser)
        streams = NIOThreadPool(numberOfThreads: max(limits.streams, 1))
    }
}
