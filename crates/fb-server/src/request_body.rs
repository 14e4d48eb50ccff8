//! Request bodies: limits their size, the time to receive one, and the memory of all buffered ones together.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use fb::ErrorCode;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{config::ServerConfig, error::Rejection};

/// Bodies up to this size are not counted: the limit on connections bounds their total.
const SMALL: usize = 16 << 10;
/// Bytes for each permit of the semaphore.
const UNIT: usize = 1 << 10;
/// A body is held as received and, where a target or a gate needs its messages, parsed.
const COPIES: usize = 2;

/// Reads request bodies within the limits of the configuration. Clones share the total limit.
#[derive(Debug, Clone)]
pub(crate) struct BodyReader {
    max_body: usize,
    timeout: Duration,
    /// Free space for buffered bodies, in units.
    space: Arc<Semaphore>,
    /// All of the space, in units.
    total: usize,
}

/// A buffered body with its share of the total, which is released when the last slice of the body is dropped.
struct Buffered {
    body: Bytes,
    _space: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Buffered {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl BodyReader {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let units = config.max_bodies.div_ceil(UNIT).min(Semaphore::MAX_PERMITS);
        Self {
            max_body: config.max_body,
            timeout: config.body_timeout,
            space: Arc::new(Semaphore::new(units)),
            total: units,
        }
    }

    /// Reads a body into one buffer, which is allocated once if the client declares the length.
    pub(crate) async fn read<B: Body<Data = Bytes>>(&self, body: B) -> Result<Bytes, Rejection> {
        let read = tokio::time::timeout(self.timeout, self.read_all(body)).await;
        read.unwrap_or_else(|_elapsed| {
            let message = format!("the body was not received within {:?}", self.timeout);
            Err(Rejection::new(ErrorCode::RequestTimeout, message))
        })
    }

    async fn read_all<B: Body<Data = Bytes>>(&self, body: B) -> Result<Bytes, Rejection> {
        let mut body = pin!(body);
        let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if declared > self.max_body {
            return Err(too_large(self.max_body));
        }
        // Space is taken as bytes arrive, so that a declared length alone does not block other requests.
        let mut space = None;
        let mut buffer = BytesMut::with_capacity(declared);
        while let Some(frame) = body.as_mut().frame().await {
            let broken = |_error| Rejection::new(ErrorCode::InvalidRequest, "the request's body broke off");
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                self.reserve(&mut space, buffer.len() + data.len())?;
                buffer.extend_from_slice(&data);
            }
        }
        let body = buffer.freeze();
        Ok(match space {
            Some(space) => Bytes::from_owner(Buffered { body, _space: space }),
            None => body,
        })
    }

    /// Extends the reserved space to a body of `size` bytes.
    fn reserve(&self, space: &mut Option<OwnedSemaphorePermit>, size: usize) -> Result<(), Rejection> {
        if size > self.max_body {
            return Err(too_large(self.max_body));
        }
        if size <= SMALL {
            return Ok(());
        }
        let reserved = space.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        // A body of more than half of the space is accepted while there is no other.
        let missing = (COPIES * size.div_ceil(UNIT)).min(self.total).saturating_sub(reserved);
        if missing == 0 {
            return Ok(());
        }
        let taken = u32::try_from(missing).ok().and_then(|missing| {
            let space = Arc::clone(&self.space);
            space.try_acquire_many_owned(missing).ok()
        });
        let Some(taken) = taken else {
            let message = "the server has no space for the body at the moment: too many others are buffered";
            return Err(Rejection::new(ErrorCode::Overloaded, message));
        };
        match space {
            Some(space) => space.merge(taken),
            None => *space = Some(taken),
        }
        Ok(())
    }
}

pub(crate) fn too_large(max: usize) -> Rejection {
    Rejection::new(ErrorCode::RequestTooLarge, format!("the body is larger than {max} bytes"))
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use futures_util::stream;
    use http_body::{Frame, SizeHint};
    use http_body_util::{Full, StreamBody};

    use super::*;

    fn reader(max_body: usize, max_bodies: usize) -> BodyReader {
        BodyReader::new(&ServerConfig { max_body, max_bodies, ..ServerConfig::default() })
    }

    /// Returns the body, or the status of the rejection.
    async fn read(reader: &BodyReader, size: usize) -> Result<Bytes, u16> {
        let read = reader.read(Full::from(vec![b'x'; size])).await;
        read.map_err(|rejection| rejection.into_response().status().as_u16())
    }

    #[tokio::test]
    async fn total_is_limited_and_released_with_the_last_slice() {
        let reader = reader(64 << 10, 200 << 10);
        let first = read(&reader, 60 << 10).await.unwrap();
        assert_eq!(read(&reader, 60 << 10).await, Err(503));
        assert_eq!(read(&reader, 16 << 10).await.map(|body| body.len()), Ok(16 << 10), "small ones pass");
        let slice = first.slice(7..8);
        drop(first);
        assert_eq!(read(&reader, 41 << 10).await, Err(503));
        drop(slice);
        let both = (read(&reader, 60 << 10).await, read(&reader, 40 << 10).await);
        assert!(both.0.is_ok() && both.1.is_ok());
        assert_eq!(read(&reader, (64 << 10) + 1).await, Err(413));
    }

    #[tokio::test]
    async fn declared_length_alone_reserves_no_space() {
        struct Declared;
        impl Body for Declared {
            type Data = Bytes;
            type Error = Infallible;

            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                Poll::Pending
            }

            fn size_hint(&self) -> SizeHint {
                SizeHint::with_exact(60 << 10)
            }
        }
        let reader = reader(64 << 10, 64 << 10);
        let pending = reader.read(Declared);
        let read = read(&reader, 60 << 10);
        tokio::select! {
            biased;
            _ = pending => panic!("no byte was sent"),
            read = read => assert!(read.is_ok(), "{read:?}"),
        }
    }

    #[tokio::test]
    async fn largest_body_fits_even_if_no_multiple_of_a_unit() {
        let reader = reader(20_000, 20_000);
        assert_eq!(read(&reader, 20_000).await.map(|body| body.len()), Ok(20_000));
    }

    #[tokio::test]
    async fn body_of_unknown_length_reserves_space_as_it_arrives() {
        let reader = reader(1 << 20, 200 << 10);
        let body = |frames: usize| {
            let frame = |_| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; 10 << 10])));
            StreamBody::new(stream::iter((0..frames).map(frame)))
        };
        let buffered = reader.read(body(9)).await.unwrap();
        assert_eq!((buffered.len(), reader.space.available_permits()), (90 << 10, 20));
        let refused = reader.read(body(9)).await.unwrap_err().into_response();
        assert_eq!(
            (refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()),
            (503, &b"1"[..])
        );
        assert!(!refused.headers().contains_key("x-should-retry"));
        drop(buffered);
        assert_eq!(reader.space.available_permits(), 200);
    }
}
