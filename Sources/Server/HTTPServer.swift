// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1
import NIOPosix

/// A small HTTP server for this host alone. It has two threads of its own, one for connections and one for answers, and
/// nobody else waits for a client.
package final class HTTPServer: Sendable {
    private let core: ServerCore
    private let socket: ListeningSocket
    private let channel: any Channel
    private let group: MultiThreadedEventLoopGroup

    /// Listens from now on.
    ///
    /// - Parameter isForAll: Whether every user of the host may connect to a Unix socket, because the pages ask who
    ///   does.
    package init(
        _ address: ServerAddress, isForAll: Bool = false, limits: ServerLimits = ServerLimits(),
        pages: some ServerPages
    ) async throws(ServerError) {
        var listening = try ListeningSocket.open(address, isForAll: isForAll)
        let core = ServerCore(address, limits, pages)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            guard let descriptor = listening.takeDescriptor() else { throw ChannelError.badInterfaceAddressFamily }
            channel = try await Self.bootstrap(group, core).withBoundSocket(descriptor).get()
        } catch {
            listening.removeName()
            try? await group.shutdownGracefully()
            throw ServerError("cannot serve at \(address): \(error)", advice: "see the kernel's log for what is amiss")
        }
        core.pool.start()
        if limits.streams > 0 { core.streams.start() }
        self.core = core
        self.group = group
        socket = listening
    }

    private static func bootstrap(_ group: MultiThreadedEventLoopGroup, _ core: ServerCore) -> ServerBootstrap {
        ServerBootstrap(group: group)
            // So that no connection is taken beyond the limit.
            .serverChannelOption(.maxMessagesPerRead, value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptGate(core.limits, core.tally))
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    let bound = ReadBound(core.limits.requestBytes)
                    try pipeline.addHandler(bound)
                    try pipeline.configureHTTPServerPipeline(
                        withPipeliningAssistance: false, withErrorHandling: false)
                    try pipeline.addHandler(Connection(core, bound))
                }
            }
    }

    /// Ends all connections.
    package func stop() async {
        socket.removeName()
        try? await channel.close()
        core.ending.begin()
        if core.limits.streams > 0 { try? await core.streams.shutdownGracefully() }
        try? await core.pool.shutdownGracefully()
        try? await group.shutdownGracefully()
    }
}
