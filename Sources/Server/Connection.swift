// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1
import NIOPosix

/// One client: reads one request, gives one answer, and closes. So nothing that stands behind a request is ever taken
/// for another one.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let server: ServerCore
    private let bound: ReadBound
    private var peer: Peer?
    /// What is answered whatever is asked.
    private var refusal: ServerAnswer?
    private var place: ServerPlaces.Place?
    private var head: HTTPRequestHead?
    private var request: ServerRequest?
    private var bodyLimit = 0
    private var isAnswered = false
    private var deadline: Scheduled<Void>?

    init(_ server: ServerCore, _ bound: ReadBound) {
        self.server = server
        self.bound = bound
    }

    /// Until the request is whole, and again until its answer is sent.
    private func startDeadline(_ context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(server.limits.time)) {
            self.server.tally.note { $0.late += 1 }
            context.close(promise: nil)
        }
    }

    func channelActive(context: ChannelHandlerContext) {
        startDeadline(context)
        if case .unix = server.address {
            let pipeline = context.channel.pipeline.syncOperations
            peer = try? pipeline.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { Peer(of: $0) } ?? nil
        }
        refusal = server.pages.refusal(of: peer)
        place = server.places.take(of: peer, isRefused: refusal != nil)
        if place == nil { write(refusal ?? .line(503, "this user has too many connections open"), context) }
        if refusal != nil || place == nil { server.tally.note { $0.refused += 1 } }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        place.take().map(server.places.leave)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        place.take().map(server.places.leave)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head) where self.head == nil:
            self.head = head
            begin(head, context)
        case .body(let bytes) where bodyLimit > 0 && !isAnswered: take(bytes, context)
        case .head, .body: break
        case .end:
            guard let request, !isAnswered else { return }
            isAnswered = true
            answer(request, context)
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        guard !isAnswered else { return }
        if let refusal { return write(refusal, context) }
        guard head.headers[canonicalForm: "host"].allSatisfy({ server.address.isNamed(String($0)) }) else {
            return write(.line(403, "ask for this host by a loopback address"), context)
        }
        let request = ServerRequest(head, peer)
        switch server.pages.admission(of: request) {
        case .refused(let answer): write(answer, context)
        case .granted(let bytes):
            // A number that is none here is larger than any that is taken.
            let announced = head.headers.first(name: "content-length").map { Int($0) ?? .max }
            if let announced, bytes > 0, announced > bytes { return write(.tooLarge(bytes), context) }
            guard place?.claim(min(announced ?? bytes, bytes)) ?? true else {
                return write(.line(503, "others are sending long requests: try again"), context)
            }
            self.request = request
            bodyLimit = bytes
            bound.grant(bytes)
        }
    }

    private func take(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        guard let count = request?.body.count, count + bytes.readableBytes <= bodyLimit else {
            return write(.tooLarge(bodyLimit), context)
        }
        request?.body.append(contentsOf: bytes.readableBytesView)
    }

    /// Whoever answers may block. That takes none of the client's time.
    private func answer(_ request: ServerRequest, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        let server = server
        server.pool.runIfActive(eventLoop: context.eventLoop) { server.pages.answer(request, server.tally.now) }
            .assumeIsolated().whenComplete {
                switch $0 {
                case .success(let answer): self.write(answer, context)
                case .failure: context.close(promise: nil)
                }
            }
    }

    private func write(_ answer: ServerAnswer, _ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        isAnswered = true
        request = nil
        startDeadline(context)
        var headers = HTTPHeaders([
            ("Content-Type", answer.type), ("Connection", "close"),
            ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
        ])
        if answer.stream == nil { headers.add(name: "Content-Length", value: "\(answer.body.count)") }
        for field in answer.fields { headers.add(name: field.name, value: field.value) }
        // A client of HTTP/1.0 knows no chunks: what goes on ends with its connection.
        let version = answer.stream != nil && head?.version == .http1_0 ? HTTPVersion.http1_0 : .http1_1
        let head = HTTPResponseHead(
            version: version, status: .init(statusCode: answer.status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        let hasBody = self.head?.method != .HEAD
        if hasBody { context.write(wrapOutboundOut(.body(.byteBuffer(answer.body.buffer))), promise: nil) }
        if let stream = answer.stream, hasBody { return begin(stream, context) }
        context.writeAndFlush(wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in
            context.close(promise: nil)
        }
    }

    private func begin(_ body: @escaping @Sendable (ServerStream) -> Void, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        context.flush()
        let stream = ServerStream(context.channel, stall: server.limits.stall, server.ending)
        server.streams.submit { state in
            if state == .active { body(stream) }
            stream.end()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isAnswered, error is ReadBound.TooLong || error is HTTPParserError else {
            return context.close(promise: nil)
        }
        server.tally.note { $0.malformed += 1 }
        write(
            error is ReadBound.TooLong ? .line(431, "the request is too long") : .line(400, "this is not HTTP"),
            context)
    }
}

extension ServerAnswer {
    fileprivate static func tooLarge(_ limit: Int) -> ServerAnswer {
        .line(413, "a body of more than \(limit) bytes is not taken here")
    }
}

/// Bounds what a client sends. Stands before the parser, so that nothing is kept of what is beyond.
final class ReadBound: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    struct TooLong: Error {}

    private var left: Int
    private var isOver = false

    init(_ bytes: Int) { left = bytes }

    /// Lets so many bytes more pass. Chunks have heads, and those that are all head are nobody's need.
    func grant(_ bytes: Int) { left += bytes }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return context.close(promise: nil) }
        var bytes = unwrapInboundIn(data)
        // What the parser finds in the first part may grant the rest.
        while left > 0, bytes.readableBytes > 0, let part = bytes.readSlice(length: min(left, bytes.readableBytes)) {
            left -= part.readableBytes
            context.fireChannelRead(wrapInboundOut(part))
        }
        guard bytes.readableBytes > 0 else { return }
        isOver = true
        context.fireErrorCaught(TooLong())
    }
}
