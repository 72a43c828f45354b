//! The floor under kmsd's encrypt-data: the same JSON in, the same AES-256-GCM, the same JSON out, on
//! the same HTTP server. No credential, no key to look up, no record: all of that is what kmsd adds.

use std::sync::Arc;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Request {
    key_id: String,
    plain_text: String,
}

#[derive(Serialize)]
struct Response {
    key_id: String,
    cipher_text: String,
}

async fn encrypt(body: Bytes, key: web::Data<Arc<LessSafeKey>>) -> HttpResponse {
    let Ok(request) = serde_json::from_slice::<Request>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    let mut nonce = [0; 12];
    let mut data = request.plain_text.into_bytes();
    let sealed = rand::fill(&mut nonce).and_then(|()| {
        let aad = Aad::from(request.key_id.as_bytes());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut data)
    });
    if sealed.is_err() {
        return HttpResponse::InternalServerError().finish();
    }
    let cipher_text = STANDARD.encode([&nonce[..], &data].concat());
    HttpResponse::Ok().json(Response {
        key_id: request.key_id,
        cipher_text,
    })
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let listen = std::env::args().nth(1).unwrap_or("127.0.0.1:8081".into());
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(std::io::Error::other)?;
    let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(std::io::Error::other)?;
    let key = web::Data::new(Arc::new(LessSafeKey::new(key)));
    let app = move || {
        App::new()
            .app_data(key.clone())
            .default_service(web::to(encrypt))
    };
    let server = HttpServer::new(app)
        .workers(std::thread::available_parallelism()?.get())
        .bind(&listen)?;
    println!("listens on {listen}");
    server.run().await
}
