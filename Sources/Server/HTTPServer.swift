// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1
import NIOPosix

/// What the connections of a server share.
struct ServerCore: Sendable {
    let address: ServerAddress
    let limits: ServerLimits
    let tally = ServerTally()
    let pool = NIOThreadPool(numberOfThreads: 1)
    let answer: @Sendable (ServerRequest, ServerFigures) -> ServerAnswer
}

/// A small HTTP server for this host alone. It has two threads of its own, one for connections and one for answers, and
/// nobody else waits for a client.
package final class HTTPServer: Sendable {
    private let core: ServerCore
    private let socket: ListeningSocket
    private let channel: any Channel
    private let group: MultiThreadedEventLoopGroup

    /// Listens from now on.
    ///
    /// - Parameter answer: Called on a thread of its own, for one request at a time. It may block.
    package init(
        _ address: ServerAddress, limits: ServerLimits = ServerLimits(),
        answer: @escaping @Sendable (ServerRequest, ServerFigures) -> ServerAnswer
    ) async throws(ServerError) {
        var listening = try ListeningSocket.open(address)
        let core = ServerCore(address: address, limits: limits, answer: answer)
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
                    try pipeline.addHandler(ReadBound(core.limits.requestBytes))
                    try pipeline.configureHTTPServerPipeline(
                        withPipeliningAssistance: false, withErrorHandling: false)
                    try pipeline.addHandler(Connection(core))
                }
            }
    }

    /// Ends all connections.
    package func stop() async {
        socket.removeName()
        try? await channel.close()
        try? await core.pool.shutdownGracefully()
        try? await group.shutdownGracefully()
    }
}
